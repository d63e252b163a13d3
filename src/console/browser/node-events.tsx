/** The last events about one node. */
import type { VNode } from 'preact';
import { api } from './api.ts';
import { EventList } from './event-list.tsx';
import { Section } from './section.tsx';
import { usePolled } from './time-hooks.ts';

const EVENTS_EVERY_MS = 5000;
const EVENTS_SHOWN = 10;

export function NodeEvents(props: { readonly name: string }): VNode {
  const { name } = props;
  const polled = usePolled('events', (signal) => api.events(signal), EVENTS_EVERY_MS);
  const own = (polled.value ?? []).filter((event) => event.node === name).slice(-EVENTS_SHOWN);
  return (
    <Section
      id="node-events"
      title="What happened here"
      command="moln events"
      tools={<a href="/events">All events</a>}
    >
      {own.length === 0 ? (
        <p class="nothing">
          {polled.value === undefined
            ? (polled.failure?.message ?? 'Loading …')
            : 'Nothing is known of it.'}
        </p>
      ) : (
        <EventList events={own} />
      )}
    </Section>
  );
}
