// The files of a new fleet's repository: a first declaration that passes `fleet check` and can be tried at once.

import { concat, utf8 } from '../signing/bytes.ts'
import type { Operator } from '../signing/operators.ts'
import { writeOperators } from '../signing/operators.ts'
import { writePolicy } from '../signing/policy.ts'
import type { TrustFiles } from '../signing/trust.ts'

/** Path -> content, trust/ left out. `keyPath`: for fleet.toml, when the key is at no standard place. */
export function starterFiles(name: string, keyPath: string | undefined): ReadonlyMap<string, string> {
  return new Map([
    [
      'fleet.toml',
      `# What is settled for the whole fleet. Everything but the name has a default.
name = "${name}"

[rollout]
expires = "30d"         # a release older than this starts nowhere new
# soak = "10m"          # how long a host must be well before it counts
# risk = "5%"           # part of the fleet that a bad release may reach
# stages = "auto"       # or host counts and percentages: [1, "10%", "100%"]

[network]
seeds = []              # "192.0.2.1:4747": hosts that new ones ask first
${keyPath === undefined ? '' : `\n[keys]\noperator = ${JSON.stringify(keyPath)}\n`}`,
    ],
    [
      'site.steps',
      `# The declared state of every host, one step a line. Try it without touching this machine:
#   mkdir /tmp/try && fleet apply --root /tmp/try
TEMPLATE files/motd.tmpl /etc/motd

# Steps for some hosts only, by the labels of trust/hosts:
# WHEN label.role=web
#   MKDIR /etc/web
#   COPY files/web.conf /etc/web/web.conf mode=0640
# END
`,
    ],
    [
      'vars.toml',
      `# Values for \${var.…}: [host.NAME] beats [label.KEY.VALUE] beats [default].
[default]
contact = "the operators of ${name}"
`,
    ],
    [
      'files/motd.tmpl',
      `This host, \${host.name}, is kept in its declared state by fleet.
What is changed by hand is put back; to change it for good, ask \${var.contact}.
`,
    ],
  ])
}

export function starterTrust(operator: Operator): TrustFiles {
  const withHead = (head: string, bytes: Uint8Array) => concat(utf8(`# ${head}\n`), bytes)
  return {
    operators: withHead(
      'Who may sign: PRINCIPAL ssh-ed25519 KEY, as in allowed_signers of ssh-keygen.',
      writeOperators([operator]),
    ),
    hosts: withHead(
      'The roster: NAME ssh-ed25519 KEY addr=IP label=value …, one host a line. See: fleet enroll',
      utf8(''),
    ),
    policy: withHead('How many operators a trust entry needs.', writePolicy({ threshold: 1 })),
  }
}
