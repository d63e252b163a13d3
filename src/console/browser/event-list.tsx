/** Events by day, the newest first; the nodes and apps in them lead to their pages. */
import type { VNode } from 'preact';
import type { EventDetail } from '../../api/model.ts';
import { isoTime, systemClock } from '../../base/time.ts';
import { byDay, linkNames } from './event-facts.ts';
import { formatAbsolute, formatClock, formatDay } from './format.ts';
import { appPath, nodePath } from './router.ts';

function EventText(props: { readonly event: EventDetail }): VNode {
  const { text, node, app } = props.event;
  const hrefs = {
    ...(app === undefined ? {} : { [app]: appPath(app) }),
    ...(node === undefined ? {} : { [node]: nodePath(node) }),
  };
  return (
    <span class="event-text">
      {linkNames(text, hrefs).map((part, index) =>
        part.href === undefined ? (
          part.text
        ) : (
          <a key={index} href={part.href}>
            {part.text}
          </a>
        ),
      )}
    </span>
  );
}

export function EventList(props: {
  /** Oldest first. */
  readonly events: readonly EventDetail[];
}): VNode {
  const now = systemClock.now();
  return (
    <div class="events">
      {byDay(props.events, (at) => formatDay(at, now)).map(({ day, events }) => (
        <section key={day}>
          <h3 class="subhead">{day}</h3>
          <ol>
            {events.map((event) => (
              <li key={event.id} class="event">
                <time dateTime={isoTime(event.at)} title={formatAbsolute(event.at)}>
                  {formatClock(event.at)}
                </time>
                <span class={`badge kind-${event.kind}`}>{event.kind}</span>
                <EventText event={event} />
              </li>
            ))}
          </ol>
        </section>
      ))}
    </div>
  );
}
