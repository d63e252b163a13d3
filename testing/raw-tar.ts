/** Archives that no honest packer would write. */

export interface RawEntry {
  readonly name: string;
  readonly type?: string;
  readonly content?: string;
  readonly link?: string;
  readonly mode?: number;
  /** Says another size than the content has. */
  readonly size?: number;
}

/** A ustar archive byte by byte: what no honest packer would write must be writable here. */
export function rawTar(entries: readonly RawEntry[], end: number = 1024): Buffer {
  const blocks = entries.flatMap((entry) => {
    const content = Buffer.from(entry.content ?? '');
    const head = Buffer.alloc(512);
    head.write(entry.name, 0, 100, 'latin1');
    head.write(`${(entry.mode ?? 0o644).toString(8).padStart(7, '0')}\0`, 100);
    head.write('0000000\0'.repeat(2), 108);
    head.write(`${(entry.size ?? content.length).toString(8).padStart(11, '0')} `, 124);
    head.write('00000000000 ', 136);
    head.write(' '.repeat(8), 148);
    head.write(entry.type ?? '0', 156);
    head.write(entry.link ?? '', 157, 100, 'latin1');
    head.write('ustar\u000000', 257, 'latin1');
    const sum = head.reduce((total, byte) => total + byte, 0);
    head.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    const padding = Buffer.alloc((512 - (content.length % 512)) % 512);
    return [head, content, padding];
  });
  return Buffer.concat([...blocks, Buffer.alloc(end)]);
}
