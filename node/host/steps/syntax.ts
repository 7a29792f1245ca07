// What the lines of a steps file that are no steps say of themselves, for the reference; parse.ts reads them.

export interface SyntaxSpec {
  readonly name: string
  readonly usage: string
  readonly summary: string
  readonly example: readonly string[]
  readonly about: readonly string[]
}

export const syntax: readonly SyntaxSpec[] = [
  {
    name: 'INCLUDE',
    usage: 'INCLUDE FILE',
    summary: 'Puts the steps of another file of the repository in its place.',
    example: ['INCLUDE steps/web.steps'],
    about: [
      'FILE is a path from the top of the repository. It holds no variables: what differs between hosts is an INCLUDE inside a WHEN. A file may be included several times, under guards that exclude each other; one that includes itself, however far around, is an error. INCLUDE may nest 32 deep, and be followed 1,000 times for a host.',
      'Every WHEN ends in the file in which it began. Messages, plans and `fleet why` name the file and line of the step itself.',
    ],
  },
  {
    name: 'WHEN',
    usage: 'WHEN TEST… … END',
    summary: 'Keeps the lines up to its END for the hosts on which all tests hold.',
    example: ['WHEN label.role=web fact.os.id=debian,ubuntu', '  ABSENT /etc/motd.old', 'END'],
    about: [
      'A test is label.KEY, fact.NAME, host.name, host.address or var.NAME, then = or !=, then values with commas between. With = one of the values must match, with != none; several tests must all hold. WHEN may nest 32 deep.',
      'A label or variable that a host lacks has no value: = fails, != holds. A fact that does not apply to a host is the empty text.',
      'Facts are those that were frozen when the host last took a release: one that changes shows as FACTS CHANGED, and undoes nothing until the next release or `fleet apply`. On the laptop of an operator they are open: `fleet check` looks at both ways, and two steps may claim one path there if their guards give one fact different values.',
      'A step whose guard stops to hold leaves the declaration, and is taken back.',
    ],
  },
  {
    name: 'END',
    usage: 'END',
    summary: 'Ends the innermost WHEN of its file.',
    example: ['WHEN host.name=web1', '  MKDIR /srv/web', 'END'],
    about: [],
  },
]
