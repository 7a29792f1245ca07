// What SERVICE, TIMER and CHECK share about systemd's units: one name for each.

const types = /\.(service|socket|timer|path|mount|automount|target)$/

/** As systemctl does it: `.service` is added where no type is given. */
export function unitName(text: string): string {
  return types.test(text) ? text : `${text}.service`
}
