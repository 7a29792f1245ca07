// The command line: arguments -> command -> exit code, and the one catch. Decides nothing else.
process.exitCode = 0
