// What SERVICE, TIMER and CHECK share about systemd's units: one name for each, and words for one that is not there.

const types = /\.(service|socket|timer|path|mount|automount|target)$/

/** As systemctl does it: `.service` is added where no type is given. */
export function unitName(text: string): string {
  return types.test(text) ? text : `${text}.service`
}

export function missingDetail(unit: string): string {
  return `found no unit ${unit}; expected one that a package or an earlier step brings`
}
