/** Structured log: one JSON object a line to a file, or a short plain line to a terminal. */

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type LogFields = Readonly<Record<string, unknown>>;

/** One event: `time` in epoch milliseconds. */
export interface LogRecord {
  readonly time: number;
  readonly level: LogLevel;
  /** The part that speaks: `gateway`, `apps`, … */
  readonly part: string;
  readonly message: string;
  readonly fields: LogFields;
}

export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** The same sink under another part's name. */
  for(part: string, fields?: LogFields): Logger;
}

export type LogSink = (record: LogRecord) => void;

const LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];

export function createLogger(options: {
  readonly part: string;
  readonly sinks: readonly LogSink[];
  readonly now: () => number;
  readonly level?: LogLevel;
  readonly fields?: LogFields;
}): Logger {
  const threshold = LEVELS.indexOf(options.level ?? 'info');
  const write = (level: LogLevel, message: string, fields: LogFields = {}): void => {
    if (LEVELS.indexOf(level) < threshold) return;
    const record: LogRecord = {
      time: options.now(),
      level,
      part: options.part,
      message,
      fields: { ...options.fields, ...fields },
    };
    for (const sink of options.sinks) sink(record);
  };
  return {
    debug: (message, fields) => write('debug', message, fields),
    info: (message, fields) => write('info', message, fields),
    warn: (message, fields) => write('warn', message, fields),
    error: (message, fields) => write('error', message, fields),
    for: (part, fields) =>
      createLogger({ ...options, part, fields: { ...options.fields, ...fields } }),
  };
}

/** One line of JSON with a newline; errors among the fields keep message, code and stack. */
export function formatJson(record: LogRecord): string {
  const { fields, time, ...rest } = record;
  const line = { time: new Date(time).toISOString(), ...rest, ...fields };
  return `${JSON.stringify(line, (_key, value: unknown) => errorFields(value))}\n`;
}

/** `12:00:01 warn gateway: message key=value`, for a person at a terminal. */
export function formatPlain(record: LogRecord): string {
  const clock = new Date(record.time).toTimeString().slice(0, 8);
  const fields = Object.entries(record.fields)
    .map(([key, value]) => {
      const plain = value instanceof Error ? value.message : value;
      return ` ${key}=${typeof plain === 'string' ? plain : JSON.stringify(plain)}`;
    })
    .join('');
  return `${oneLine(`${clock} ${record.level} ${record.part}: ${record.message}${fields}`)}\n`;
}

/** What apps and peers wrote may be in an error's message: it must not steer a terminal or pose as a line of ours. */
function oneLine(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what this is about
  return text.replace(/[\u0000-\u001F\u007F-\u009F]/g, (control) =>
    control === '\n' ? ' ' : `\\x${control.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}

/** Causes below this many are left out: an error can be its own. */
const CAUSES_MAX = 8;

function errorFields(value: unknown, depth = 0): unknown {
  if (typeof value === 'bigint') return String(value);
  if (!(value instanceof Error)) return value;
  if (depth > CAUSES_MAX) return value.message;
  const code = 'code' in value ? value.code : undefined;
  return {
    message: value.message,
    code,
    stack: value.stack,
    cause: errorFields(value.cause, depth + 1),
  };
}

/** Says nothing; for tests of parts whose log does not matter. */
export const silentLogger: Logger = createLogger({ part: 'silent', sinks: [], now: () => 0 });
