/** Heads of answers as text, on routes that change something about them. Others never come here. */

/** Lines without those fields, and others behind them. `head`: status line and fields, without the empty line. */
export function changedHead(head: string, drop: ReadonlySet<string>, lines: string): string {
  if (drop.size === 0) return head + lines;
  let text = '';
  let at = 0;
  while (at < head.length) {
    const end = head.indexOf('\r\n', at) + 2;
    // The status line has no name before its colon that could be dropped.
    const colon = head.indexOf(':', at);
    const name = colon < 0 || colon > end ? '' : head.slice(at, colon).toLowerCase();
    if (at === 0 || !drop.has(name)) text += head.slice(at, end);
    at = end;
  }
  return text + lines;
}

/** All values of a field, joined (RFC 9110 5.3). `name` in lower case. */
export function fieldIn(head: string, name: string): string | undefined {
  const values: string[] = [];
  for (const line of head.split('\r\n').slice(1)) {
    const colon = line.indexOf(':');
    if (colon !== name.length || line.slice(0, colon).toLowerCase() !== name) continue;
    values.push(line.slice(colon + 1).trim());
  }
  return values.length === 0 ? undefined : values.join(', ');
}

/** Vary with one more name, as a whole line; empty when nothing has to be added. */
export function varyLine(head: string, name: string): string {
  const known = fieldIn(head, 'vary')?.toLowerCase().split(',') ?? [];
  const has = known.some((one) => one.trim() === '*' || one.trim() === name.toLowerCase());
  return has ? '' : `Vary: ${name}\r\n`;
}
