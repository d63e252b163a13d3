/** Where files are dropped, or chosen, to be put one after the other; each says how far it is and how it ended. */
import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { formatBytes } from '../../base/units.ts';
import { sentenceOf } from './sentence.ts';

interface Put {
  readonly id: number;
  readonly name: string;
  readonly bytes: number;
  readonly sentBytes: number;
  readonly state: 'waiting' | 'under way' | 'there' | 'failed';
  readonly why?: string;
}

const TONES: Readonly<Record<Put['state'], string>> = {
  waiting: 'quiet',
  'under way': 'tone-busy',
  there: 'tone-good',
  failed: 'tone-bad',
};
const MARKS: Readonly<Record<Put['state'], string>> = {
  waiting: '·',
  'under way': '…',
  there: '✓',
  failed: '▲',
};

export function DropZone(props: {
  /** Where they go, for people. */
  readonly folder: string;
  readonly put: (file: File, onSent: (bytes: number) => void) => Promise<void>;
  readonly onSettled: () => void;
}): VNode {
  const [puts, setPuts] = useState<readonly Put[]>([]);
  const [isOver, setOver] = useState(false);
  const { folder } = props;
  const isBusy = puts.some(({ state }) => state === 'waiting' || state === 'under way');
  const tell = (id: number, change: Partial<Put>): void =>
    setPuts((before) => before.map((one) => (one.id === id ? { ...one, ...change } : one)));
  const take = async (files: readonly File[]): Promise<void> => {
    if (files.length === 0 || isBusy) return;
    setPuts(
      files.map(({ name, size }, id) => ({
        id,
        name: folder + name,
        bytes: size,
        sentBytes: 0,
        state: 'waiting',
      })),
    );
    for (const [id, file] of files.entries()) {
      tell(id, { state: 'under way' });
      try {
        await props.put(file, (sentBytes) => tell(id, { sentBytes }));
        tell(id, { state: 'there' });
      } catch (error) {
        tell(id, { state: 'failed', why: sentenceOf(error) });
      }
      props.onSettled();
    }
  };
  return (
    <div
      class={isOver ? 'drop-zone over' : 'drop-zone'}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        void take([...(event.dataTransfer?.files ?? [])]);
      }}
    >
      <label>
        Drop files here, or choose them
        <input
          type="file"
          multiple
          disabled={isBusy}
          onChange={(event) => {
            const input = event.currentTarget;
            void take([...(input.files ?? [])]);
            input.value = '';
          }}
        />
      </label>
      {puts.length === 0 ? null : (
        <ul>
          {puts.map(({ id, name, bytes, sentBytes, state, why }) => (
            <li key={id} class={TONES[state]}>
              {MARKS[state]} {name}, {formatBytes(bytes)}: {why ?? state}
              {state === 'under way' ? (
                <progress aria-label={`${name} sent`} value={sentBytes} max={bytes} />
              ) : null}
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
