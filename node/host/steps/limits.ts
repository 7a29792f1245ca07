// Every bound of the language, with its reason. A text beyond one is refused with a problem, never cut short.

/** Bytes of one steps file or vars.toml. 5,000 lines of 100 bytes are 0.5 MB; a generator may write eight times that. */
export const fileBytesMax = 4 * 1024 * 1024
/** Characters of one line with its continuations: a path of 4,095 bytes, twice, with options. */
export const lineCharsMax = 16 * 1024
/** WHEN inside WHEN, INCLUDE inside INCLUDE: beyond this nobody can read it, and recursion stays shallow. */
export const nestingMax = 32
/** INCLUDE lines followed for one host: files that include each other pairwise would double with every level. */
export const includesMax = 1000
/** Steps of one host: some 100 MB of memory while a run is planned. */
export const stepsMax = 100_000
/** Problems reported of one file: what follows is mostly echo. */
export const problemsMax = 100
/** Characters of one value after variables have been put in. */
export const valueCharsMax = 64 * 1024
/** Bytes of a template, before and after rendering. */
export const templateBytesMax = 4 * 1024 * 1024
