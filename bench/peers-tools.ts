// The tools that we compare with, each in its quickest honest setting: what it is given, and the command that is timed.
// What it must bring about is peers-role.ts's and peers.ts's to say; whether it did, theirs to check.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Item, Role } from './peers-role.ts'

export interface Command {
  readonly argv: readonly [string, ...string[]]
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
}

export interface Tool {
  /** In names of figures. */
  readonly key: string
  readonly name: string
  /** Commands that must be on the PATH, the first one answers `--version`. */
  readonly needs: readonly [string, ...string[]]
  readonly install: string
  /** Never the fastest: it shows what the disk takes, and neither looks nor repairs. */
  readonly reference?: boolean
  /** Writes what the tool needs into `dir`; the command makes the folder `target` like the folder `source`. */
  files(dir: string, source: string, target: string): Command
  /** The same for a role. Absent: the tool has no such thing. */
  role?(dir: string, role: Role): Command
}

/** `bin` is bin/fleet. Its sources lie in a project of ours: `source` is `<project>/files/data`. */
export const fleet = (bin: string): Tool => ({
  key: 'fleet',
  name: 'fleet',
  needs: [bin],
  install: 'npm run bundle',
  files: (_dir, source, target) => ({
    argv: [bin, 'apply', '--root', target],
    cwd: join(source, '../..'),
  }),
  role: (_dir, { project, items }) => {
    const options = (words: Readonly<Record<string, string | number | undefined>>) =>
      Object.entries(words)
        .filter(([, value]) => value !== undefined)
        .map(([name, value]) => ` ${name}=${value}`)
        .join('')
    const step = (item: Item): string => {
      switch (item.kind) {
        case 'group':
          return `GROUP ${item.name} gid=${item.id}`
        case 'user':
          return `USER ${item.name} uid=${item.id} group=${item.group} home=${item.home} shell=/bin/sh`
        case 'package':
          return `PACKAGE ${item.name}`
        case 'directory':
          return `MKDIR ${item.path}${options({ mode: item.mode, owner: item.owner, group: item.owner })}`
        case 'file':
          return `COPY files/${item.from} ${item.path} mode=${item.mode}`
        case 'template':
          return `TEMPLATE files/${item.from}.tmpl ${item.path} mode=${item.mode}`
        case 'line':
          return `LINE ${item.path} "${item.text}" match="${item.match}"`
        case 'link':
          return `LINK ${item.path} -> ${item.to}`
        case 'absent':
          return `ABSENT ${item.path}`
      }
    }
    writeFileSync(join(project, 'site.steps'), `${items.map(step).join('\n')}\n`)
    return { argv: [bin, 'apply', '--root', '/'], cwd: project }
  },
})

const quote = (text: string) => `'${text}'`

/** Recursive, by digest: by modification time it never repairs a content. No lock, so that runs may follow at once. */
export const cfAgent: Tool = {
  key: 'cf',
  name: 'cf-agent',
  needs: ['cf-agent'],
  install: 'cfengine3',
  files: (dir, source, target) =>
    cfCommand(dir, [
      'bundle agent main',
      '{',
      'files:',
      `  "${target}/data/." create => "true", copy_from => by_digest("${source}"), depth_search => all, perms => mode("0644");`,
      '}',
    ]),
  role: (dir, { files, items, variable }) => {
    const promise = (item: Item): [section: string, text: string] => {
      switch (item.kind) {
        case 'group':
          return [
            'commands',
            `"/usr/sbin/groupadd -g ${item.id} ${item.name}" if => not(groupexists("${item.name}"));`,
          ]
        case 'user':
          return [
            'users',
            `"${item.name}" policy => "present", uid => "${item.id}", group_primary => "${item.group}", home_dir => "${item.home}", shell => "/bin/sh";`,
          ]
        case 'package':
          return ['packages', `"${item.name}" package_policy => "add", package_method => dpkg;`]
        case 'directory':
          return [
            'files',
            `"${item.path}/." create => "true", perms => owned("${item.mode}", "${item.owner ?? 'root'}");`,
          ]
        case 'file':
          return [
            'files',
            `"${item.path}" copy_from => by_digest("${files}/${item.from}"), perms => mode("${item.mode}");`,
          ]
        case 'template':
          return [
            'files',
            `"${item.path}" create => "true", perms => mode("${item.mode}"), edit_template => "${files}/${item.from}.mustache", template_method => "mustache", template_data => parsejson('{"site":"${variable}"}');`,
          ]
        case 'line':
          return ['files', `"${item.path}" edit_line => line("${item.match.slice(1)}", "${item.text}");`]
        case 'link':
          return ['files', `"${item.path}" link_from => to("${item.to}");`]
        case 'absent':
          return ['files', `"${item.path}" delete => gone;`]
      }
    }
    const sections = Map.groupBy(items.map(promise), ([section]) => section)
    // Groups before users before their directories: in one bundle cf-agent has an order of its own.
    const bundles = ['commands', 'users', 'packages', 'files']
    return cfCommand(dir, [
      'bundle agent main',
      '{',
      'methods:',
      ...bundles.map(name => `  "${name}" usebundle => do_${name};`),
      '}',
      ...bundles.flatMap(name => [
        `bundle agent do_${name}`,
        '{',
        `${name}:`,
        ...(sections.get(name) ?? []).map(([, text]) => `  ${text}`),
        '}',
      ]),
    ])
  },
}

function cfCommand(dir: string, policy: readonly string[]): Command {
  const work = join(dir, 'work')
  const env = { CFENGINE_TEST_OVERRIDE_WORKDIR: work }
  if (!existsSync(work)) {
    mkdirSync(join(work, 'ppkeys'), { recursive: true, mode: 0o700 })
    // It looks there for its helper that checks the policy.
    symlinkSync('/usr/bin', join(work, 'bin'))
    execFileSync('cf-key', { env: { ...process.env, ...env }, stdio: 'ignore' })
  }
  const file = join(dir, 'policy.cf')
  writeFileSync(file, `${cfLibrary}${policy.join('\n')}\n`, { mode: 0o600 })
  return { argv: ['cf-agent', '-K', '-f', file], env }
}

const cfLibrary = `body common control { bundlesequence => { "main" }; }
body copy_from by_digest(from) { source => "$(from)"; compare => "digest"; copy_backup => "false"; }
body depth_search all { depth => "inf"; include_basedir => "true"; }
body perms mode(m) { mode => "$(m)"; rxdirs => "true"; owners => { "root" }; groups => { "root" }; }
body perms owned(m, o) { mode => "$(m)"; rxdirs => "false"; owners => { "$(o)" }; groups => { "$(o)" }; }
body link_from to(target) { source => "$(target)"; }
body delete gone { dirlinks => "delete"; rmdirs => "true"; }
body package_method dpkg
{
package_changes => "bulk";
package_list_command => "/usr/bin/dpkg -l";
package_list_name_regex => "^.i\\s+([^\\s:]+).*";
package_list_version_regex => "^.i\\s+[^\\s]+\\s+([^\\s]+).*";
package_installed_regex => ".i.*";
package_add_command => "/usr/bin/apt-get -y install";
package_name_convention => "$(name)";
package_list_update_ifelapsed => "0";
}
bundle edit_line line(match, text)
{
vars:
  "exact" string => escape("$(text)");
delete_lines:
  "(?!$(exact)$)$(match).*";
insert_lines:
  "$(text)";
}
`

/** One process, local connection, pipelining, no facts. synchronize is rsync's own quick check, by size and time. */
export const ansible: Tool = {
  key: 'ansible',
  name: 'ansible',
  needs: ['ansible-playbook', 'rsync'],
  install: 'ansible rsync',
  files: (dir, source, target) =>
    playbook(dir, [
      `- ansible.posix.synchronize: {src: ${source}, dest: ${target}/, owner: true, group: true, perms: true}`,
    ]),
  role: (dir, { files, items, variable }) => {
    const packages = items.flatMap(item => (item.kind === 'package' ? item.name : []))
    const [first] = packages
    const task = (item: Item): string[] => {
      switch (item.kind) {
        case 'group':
          return [`- group: {name: ${item.name}, gid: ${item.id}}`]
        case 'user':
          return [
            `- user: {name: ${item.name}, uid: ${item.id}, group: ${item.group}, home: ${item.home}, shell: /bin/sh, create_home: false}`,
          ]
        case 'package':
          // All in one task, as one would.
          return item.name === first ? [`- apt: {name: [${packages.join(', ')}], state: present}`] : []
        case 'directory':
          return [
            `- file: {path: ${item.path}, state: directory, mode: '${item.mode}', owner: ${item.owner ?? 'root'}, group: ${item.owner ?? 'root'}}`,
          ]
        case 'file':
          return [
            `- copy: {src: ${files}/${item.from}, dest: ${item.path}, mode: '${item.mode}', owner: root, group: root}`,
          ]
        case 'template':
          return [
            `- template: {src: ${files}/${item.from}.j2, dest: ${item.path}, mode: '${item.mode}', owner: root, group: root}`,
          ]
        case 'line':
          return [
            `- lineinfile: {path: ${item.path}, line: ${quote(item.text)}, regexp: ${quote(item.match)}}`,
          ]
        case 'link':
          return [`- file: {path: ${item.path}, state: link, src: ${item.to}}`]
        case 'absent':
          return [`- file: {path: ${item.path}, state: absent}`]
      }
    }
    return playbook(dir, items.flatMap(task), { site: variable })
  },
}

function playbook(
  dir: string,
  tasks: readonly string[],
  vars: Readonly<Record<string, string>> = {},
): Command {
  const file = join(dir, 'play.yml')
  const head = [
    '- hosts: localhost',
    '  connection: local',
    '  gather_facts: false',
    `  vars: ${JSON.stringify(vars)}`,
    '  tasks:',
  ]
  writeFileSync(file, `${[...head, ...tasks.map(each => `    ${each}`)].join('\n')}\n`)
  const config = [
    '[defaults]',
    'gathering = explicit',
    'retry_files_enabled = False',
    'nocows = True',
    'forks = 1',
    'interpreter_python = /usr/bin/python3',
    `local_tmp = ${dir}/local`,
    `remote_tmp = ${dir}/remote`,
    '[connection]',
    'pipelining = True',
  ]
  writeFileSync(join(dir, 'ansible.cfg'), `${config.join('\n')}\n`)
  return {
    argv: ['ansible-playbook', '-i', 'localhost,', file],
    env: { ANSIBLE_CONFIG: join(dir, 'ansible.cfg'), HOME: dir },
    cwd: dir,
  }
}

/** No report, no agent's state, no backups; the checksum is its default. */
export const puppet: Tool = {
  key: 'puppet',
  name: 'puppet',
  needs: ['puppet'],
  install: 'puppet-agent',
  files: (dir, source, target) =>
    manifest(dir, [
      `file { '${target}/data': ensure => directory, source => '${source}', recurse => true, max_files => -1, owner => 'root', group => 'root', mode => '0644', backup => false, show_diff => false }`,
    ]),
  role: (dir, { files, items, variable }) => {
    const resource = (item: Item): string => {
      switch (item.kind) {
        case 'group':
          return `group { '${item.name}': ensure => present, gid => ${item.id} }`
        case 'user':
          return `user { '${item.name}': ensure => present, uid => ${item.id}, gid => '${item.group}', home => '${item.home}', shell => '/bin/sh' }`
        case 'package':
          return `package { '${item.name}': ensure => present }`
        case 'directory':
          return `file { '${item.path}': ensure => directory, mode => '${item.mode}', owner => '${item.owner ?? 'root'}', group => '${item.owner ?? 'root'}' }`
        case 'file':
          return `file { '${item.path}': source => '${files}/${item.from}', mode => '${item.mode}', owner => 'root', group => 'root', backup => false }`
        case 'template':
          return `file { '${item.path}': content => epp('${files}/${item.from}.epp', { site => '${variable}' }), mode => '${item.mode}', owner => 'root', group => 'root', backup => false }`
        case 'line': {
          // file_line is no part of Puppet itself.
          const edit = `grep -q "${item.match}" ${item.path} && sed -i "s/${item.match}.*/${item.text}/" ${item.path} || echo "${item.text}" >> ${item.path}`
          return `exec { '${item.path} ${item.text}': command => ${quote(edit)}, unless => 'grep -qx "${item.text}" ${item.path}', provider => shell, path => '/usr/bin:/bin' }`
        }
        case 'link':
          return `file { '${item.path}': ensure => link, target => '${item.to}' }`
        case 'absent':
          return `file { '${item.path}': ensure => absent, force => true, backup => false }`
      }
    }
    return manifest(dir, items.map(resource))
  },
}

function manifest(dir: string, resources: readonly string[]): Command {
  const file = join(dir, 'site.pp')
  writeFileSync(file, `${resources.join('\n')}\n`)
  const folders = ['conf', 'code', 'var', 'run', 'log'].map(name => `--${name}dir=${dir}/${name}`)
  return { argv: ['puppet', 'apply', '--no-report', ...folders, file], env: { HOME: dir } }
}

/** What the disk takes: neither looks, nor makes anything durable. */
export const cp: Tool = {
  key: 'cp',
  name: 'cp -a',
  needs: ['cp'],
  install: 'coreutils',
  reference: true,
  files: (_dir, source, target) => ({ argv: ['cp', '-a', source, `${target}/data`] }),
}

export const others: readonly Tool[] = [cfAgent, ansible, puppet, cp]
