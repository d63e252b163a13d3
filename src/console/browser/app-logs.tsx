/** What an app writes, as it writes it: filter, pause, and following the end unless the reader scrolled up. */
import type { VNode } from 'preact';
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { LogLine } from '../../api/model.ts';
import type { NumberedLine } from './log-buffer.ts';
import { isMolnError } from '../../base/errors.ts';
import { systemClock } from '../../base/time.ts';
import { api, LOGGED_OUT } from './api.ts';
import { count, formatAbsolute, formatClock } from './format.ts';
import { backoffMs } from './live-feed.ts';
import { appendLines, filterLines, LINES_KEPT, seenBefore } from './log-buffer.ts';
import { whileVisible } from './time-hooks.ts';
import { Section } from './section.tsx';

const TAIL_LINES = 200;
/** Lines that come in a burst are drawn together. */
const DRAW_EVERY_MS = 100;
/** Nearer to the end than this counts as reading the end. */
const AT_END_PX = 24;

/** Lines as they come, while the page is visible; opens the stream again when it breaks. */
function useLogs(app: string): readonly NumberedLine[] {
  const [shown, setShown] = useState<readonly NumberedLine[]>([]);
  useEffect(() => {
    let lines: readonly NumberedLine[] = [];
    let fresh: LogLine[] = [];
    const draw = (): void => {
      if (fresh.length === 0) return;
      lines = appendLines(lines, fresh);
      fresh = [];
      setShown(lines);
    };
    const follow = async (signal: AbortSignal): Promise<boolean> => {
      draw();
      const newest = lines.at(-1)?.at;
      const tail = newest === undefined ? TAIL_LINES : LINES_KEPT;
      try {
        for await (const line of api.logs(app, tail, signal)) {
          if (!seenBefore(line, newest)) fresh.push(line);
        }
      } catch (error) {
        // The frame of the page says that the node is away; without a session it is replaced.
        if (isMolnError(error, LOGGED_OUT)) return false;
      }
      return true;
    };
    const run = async (signal: AbortSignal): Promise<void> => {
      let failures = 0;
      while (!signal.aborted) {
        const before = lines.at(-1)?.number;
        if (!(await follow(signal))) return;
        draw();
        failures = lines.at(-1)?.number === before ? failures + 1 : 1;
        await systemClock.sleep(backoffMs(failures), signal).catch(() => undefined);
      }
    };
    const drawing = systemClock.every(DRAW_EVERY_MS, draw);
    const end = whileVisible(run);
    return () => {
      end();
      drawing[Symbol.dispose]();
    };
  }, [app]);
  return shown;
}

function Lines(props: {
  readonly lines: readonly NumberedLine[];
  readonly follow: boolean;
}): VNode {
  const { lines } = props;
  const box = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  useLayoutEffect(() => {
    if (box.current !== null && atEnd.current && props.follow) {
      box.current.scrollTop = box.current.scrollHeight;
    }
  }, [lines]);
  const drawn = useMemo(
    () =>
      lines.map((line) => (
        <div key={line.number} class="log-line">
          <time title={formatAbsolute(line.at)}>{formatClock(line.at)}</time>
          <span class="log-source">{line.instance}</span>
          <span class="log-text">{line.text}</span>
        </div>
      )),
    [lines],
  );
  return (
    <div
      class="log"
      role="log"
      aria-live="off"
      aria-label="Log lines"
      tabIndex={0}
      ref={box}
      onScroll={(event) => {
        const { scrollHeight, scrollTop, clientHeight } = event.currentTarget;
        atEnd.current = scrollHeight - scrollTop - clientHeight < AT_END_PX;
      }}
    >
      {drawn}
    </div>
  );
}

export function AppLogs(props: { readonly app: string }): VNode {
  const lines = useLogs(props.app);
  const [text, setText] = useState('');
  const [process, setProcess] = useState('');
  const [pausedAt, setPausedAt] = useState<number | undefined>(undefined);
  const newest = lines.at(-1)?.number ?? 0;
  const shown = useMemo(
    () =>
      filterLines(
        pausedAt === undefined ? lines : lines.filter((line) => line.number <= pausedAt),
        { text, process },
      ),
    [lines, text, process, pausedAt],
  );
  const processes = useMemo(
    () => [...new Set(lines.map((line) => line.process))].toSorted(),
    [lines],
  );
  const tools = (
    <div class="log-tools">
      <label class="filter">
        <span class="hidden">Filter log lines</span>
        <input
          type="search"
          placeholder="Filter lines ( / )"
          data-filter
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
        />
      </label>
      {processes.length < 2 ? null : (
        <label>
          <span class="hidden">Process</span>
          <select value={process} onChange={(event) => setProcess(event.currentTarget.value)}>
            <option value="">All processes</option>
            {processes.map((one) => (
              <option key={one} value={one}>
                {one}
              </option>
            ))}
          </select>
        </label>
      )}
      <button
        type="button"
        aria-pressed={pausedAt !== undefined}
        onClick={() => setPausedAt(pausedAt === undefined ? newest : undefined)}
      >
        {pausedAt === undefined ? 'Pause' : `Go on (${count(newest - pausedAt, 'new line')})`}
      </button>
    </div>
  );
  return (
    <Section id="logs" title="Logs" command={`moln app ${props.app} logs -f`} tools={tools}>
      {shown.length === 0 ? (
        <p class="nothing">
          {lines.length === 0 ? 'Nothing was written yet.' : `No line matches “${text}”.`}
        </p>
      ) : (
        <Lines lines={shown} follow={pausedAt === undefined} />
      )}
    </Section>
  );
}
