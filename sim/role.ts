// What the operators of a simulated fleet declare: a small role with every kind of step that a machine in memory has, which
// differs from release to release, so that hosts have something to do, to undo and to get wrong.
import type { SourceFile } from '../node/publish.ts'
import { utf8 } from '../signing/bytes.ts'

const file = (text: string, mode: SourceFile['mode'] = '100644'): SourceFile => ({ mode, bytes: utf8(text) })

/** Brings its network up to date; sim/ailments.ts answers it. */
export const networkCommand = 'ifreload -a'
/** Releases that leave the network alone between two that touch it, and that one: the others ask no witness. */
const networkEvery = 3

/** Releases from one without a CHECK to the next: only there a host can have nothing to do, since a CHECK is asked always. */
const uncheckedEvery = 3

/** Where a check of the role looks; sim/host.ts answers it. */
export const healthUrl = 'http://127.0.0.1/healthz'

/**
 * The files of a release. `number` makes it differ from others; `chance` draws which of the steps are in it; `bytes` is the
 * size of its largest payload.
 */
export function roleFiles(
  number: number,
  chance: () => number,
  bytes: number,
): ReadonlyMap<string, SourceFile> {
  const steps = [
    'MKDIR /etc/app mode=0750',
    'COPY files/app.conf /etc/app/app.conf mode=0640',
    'COPY files/large /etc/app/large',
    'TEMPLATE files/motd.tmpl /etc/motd',
    'MKDIR /etc/network',
    'COPY files/network /etc/network/app',
    `RUN "${networkCommand}" on=/etc/network/app`,
    'WHEN label.role=web',
    '  COPY files/web.conf /etc/app/web.conf',
    'END',
    'WHEN label.role=db',
    '  COPY files/db.conf /etc/app/db.conf',
    'END',
    ...(number % uncheckedEvery === 0 ? [] : [`CHECK http ${healthUrl} within=20s`]),
  ]
  const maybe = [
    'LINK /etc/app/current -> app.conf',
    `LINE /etc/hosts "192.0.2.${number % 250} release-${number}"`,
    'ABSENT /etc/issue',
    `RUN "rebuild ${number}" on=/etc/app/app.conf`,
    'TREE files/tree /etc/app/tree exclusive',
    `SYSCTL net.core.somaxconn ${4096 + number}`,
    'USER app system home=/var/lib/app',
  ]
  for (const step of maybe) if (chance() < 0.6) steps.splice(3, 0, step)
  const tree = Array.from({ length: 1 + Math.floor(chance() * 5) }, (_, at) => at)
  return new Map<string, SourceFile>([
    ['fleet.toml', file('name = "simulated"\n')],
    ['site.steps', file(`${steps.join('\n')}\n`)],
    ['files/app.conf', file(`release = ${number}\n`)],
    ['files/large', file(`${number}\n`.repeat(Math.max(1, Math.ceil(bytes / `${number}\n`.length))))],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the language of templates
    ['files/motd.tmpl', file('${host.name} is a ${label.role}\n')],
    ['files/network', file(`network ${Math.floor(number / networkEvery)}\n`)],
    ['files/web.conf', file(`web ${number}\n`)],
    ['files/db.conf', file(`db ${number}\n`)],
    ...tree.map((at): [string, SourceFile] => [`files/tree/${at}`, file(`${number} ${at}\n`)]),
  ])
}
