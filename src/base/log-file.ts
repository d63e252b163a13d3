/** A log sink into a file of bounded size: `agent.jsonl`, then `agent.jsonl.1` … the oldest is dropped. */
import { appendFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { systemCode } from './errors.ts';
import { formatJson, type LogSink } from './log.ts';

export interface LogFileOptions {
  readonly path: string;
  /** Rotated when a file would grow beyond it. */
  readonly bytesMax?: number;
  /** Old files kept beside the current one. */
  readonly keep?: number;
  /** Called once when the disk refuses; the log then goes on without the file until it accepts again. */
  readonly onRefused: (error: unknown) => void;
}

const BYTES_MAX = 10 * 1024 * 1024;
const KEEP = 3;

export function openLogFile(options: LogFileOptions): LogSink {
  const bytesMax = options.bytesMax ?? BYTES_MAX;
  let size = sizeOf(options.path);
  let refused = false;
  return (record) => {
    try {
      const line = Buffer.from(formatJson(record));
      if (size + line.length > bytesMax) {
        rotate(options.path, options.keep ?? KEEP);
        size = 0;
      }
      appendFileSync(options.path, line, { mode: 0o600 });
      size += line.length;
      refused = false;
    } catch (error) {
      if (!refused) options.onRefused(error);
      refused = true;
    }
  };
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

function rotate(path: string, keep: number): void {
  rmSync(`${path}.${keep}`, { force: true });
  for (let index = keep - 1; index >= 0; index--) {
    const from = index === 0 ? path : `${path}.${index}`;
    try {
      renameSync(from, `${path}.${index + 1}`);
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') throw error;
    }
  }
}
