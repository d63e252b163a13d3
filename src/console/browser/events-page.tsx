/** What happens in the cluster, as it happens: by kind, by word, and held still while one reads. */
import type { VNode } from 'preact';
import { useEffect, useMemo, useState } from 'preact/hooks';
import type { EventDetail } from '../../api/model.ts';
import type { EventState } from './event-feed.ts';
import type { View } from './view.ts';
import { systemClock } from '../../base/time.ts';
import { api } from './api.ts';
import { filterEvents } from './event-facts.ts';
import { EventFeed } from './event-feed.ts';
import { EventList } from './event-list.tsx';
import { count } from './format.ts';
import { Section } from './section.tsx';
import { StateMark } from './state-mark.tsx';
import { whileVisible } from './time-hooks.ts';

/** The kinds that there are; a kind that this console does not know is added when one comes. */
const KINDS: readonly string[] = ['node', 'app', 'manager', 'leader', 'certificate'];
const SHOWN_AT_FIRST = 100;

function useEvents(first: readonly EventDetail[]): EventState {
  const [state, setState] = useState<EventState>({
    events: first,
    connection: 'connecting',
    failure: undefined,
  });
  useEffect(() => {
    const feed = new EventFeed({ source: api, clock: systemClock, first, onChange: setState });
    return whileVisible((signal) => feed.run(signal));
  }, []);
  return state;
}

function Tools(props: {
  readonly kinds: readonly string[];
  readonly kind: string;
  readonly text: string;
  readonly onKind: (kind: string) => void;
  readonly onText: (text: string) => void;
  /** How many came while it was held still; undefined while it is not. */
  readonly held: number | undefined;
  readonly onPause: () => void;
}): VNode {
  const { held } = props;
  return (
    <div class="log-tools">
      <label class="filter">
        <span class="hidden">Filter events</span>
        <input
          type="search"
          placeholder="Filter events ( / )"
          data-filter
          value={props.text}
          onInput={(event) => props.onText(event.currentTarget.value)}
        />
      </label>
      <label>
        <span class="hidden">Kind</span>
        <select value={props.kind} onChange={(event) => props.onKind(event.currentTarget.value)}>
          <option value="">All kinds</option>
          {props.kinds.map((one) => (
            <option key={one} value={one}>
              {one}
            </option>
          ))}
        </select>
      </label>
      <button type="button" aria-pressed={held !== undefined} onClick={props.onPause}>
        {held === undefined ? 'Pause' : `Go on (${count(held, 'new event')})`}
      </button>
    </div>
  );
}

function emptySentence(state: EventState): string {
  if (state.events.length > 0) return 'No event matches.';
  if (state.failure !== undefined) return state.failure;
  return state.connection === 'live' ? 'Nothing has happened yet.' : 'Loading …';
}

export function EventsPage(props: View): VNode {
  const state = useEvents(props.first.events ?? []);
  const [kind, setKind] = useState('');
  const [text, setText] = useState('');
  const [pausedAt, setPausedAt] = useState<string | undefined>(undefined);
  const [isAll, setIsAll] = useState(false);
  const { events, connection } = state;
  const still = useMemo(
    () => (pausedAt === undefined ? events : events.filter(({ id }) => id <= pausedAt)),
    [events, pausedAt],
  );
  const matching = useMemo(() => filterEvents(still, { kind, text }), [still, kind, text]);
  const shown = isAll ? matching : matching.slice(-SHOWN_AT_FIRST);
  const kinds = [...new Set([...KINDS, ...events.map((event) => event.kind)])];
  const tools = (
    <Tools
      kinds={kinds}
      kind={kind}
      text={text}
      onKind={setKind}
      onText={setText}
      held={pausedAt === undefined ? undefined : events.length - still.length}
      onPause={() => setPausedAt(pausedAt === undefined ? (events.at(-1)?.id ?? '') : undefined)}
    />
  );
  return (
    <>
      <h1>Events</h1>
      <p class="lead" role="status">
        <StateMark
          state={connection === 'live' && pausedAt !== undefined ? 'paused' : connection}
        />
        <span>Joins, silences, moves and changes of leader, the newest first</span>
      </p>
      <Section id="events" title="What happened" command="moln events -f" tools={tools}>
        {shown.length === 0 ? (
          <p class="nothing">{emptySentence(state)}</p>
        ) : (
          <EventList events={shown} />
        )}
        {shown.length === matching.length ? null : (
          <p class="buttons">
            <button type="button" onClick={() => setIsAll(true)}>
              Show all {matching.length}
            </button>
          </p>
        )}
      </Section>
    </>
  );
}
