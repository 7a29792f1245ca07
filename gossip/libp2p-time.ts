// The clock by which connections are kept: ms since 1970 as they were when the process began, counted on since then. Nobody
// sets it, so no wait grows by hours when somebody sets the machine's clock.
export function steadyMs(): number {
  return Math.round(performance.timeOrigin + performance.now())
}
