// What is known of systemd's units by their names alone: one name for each, where their files lie, and words for one
// that is not there.

const types = /\.(service|socket|timer|path|mount|automount|target)$/

/** As systemctl does it: `.service` is added where no type is given. */
export function unitName(text: string): string {
  return types.test(text) ? text : `${text}.service`
}

/** Where systemd looks for units, and their drop-ins (systemd.unit(5)). */
export const unitDirectories: readonly string[] = ['/etc', '/run', '/usr/local/lib', '/usr/lib', '/lib'].map(
  each => `${each}/systemd/system`,
)

export function isUnitFile(path: string): boolean {
  return unitDirectories.some(each => path.startsWith(`${each}/`))
}

export function missingDetail(unit: string): string {
  return `found no unit ${unit}; expected one that a package or an earlier step brings`
}
