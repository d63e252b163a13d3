/**
 * States as people read them: a word, a shape and a tone. The shape says the same as the colour, so that
 * nothing depends on seeing colours. Pure.
 */

export type Shape = 'disc' | 'half' | 'triangle' | 'cross' | 'square' | 'ring';
export type Tone = 'good' | 'busy' | 'warn' | 'bad' | 'quiet';

export interface Wording {
  readonly word: string;
  readonly shape: Shape;
  readonly tone: Tone;
}

function wording(word: string, shape: Shape, tone: Tone): Wording {
  return { word, shape, tone };
}

const WORDINGS: Readonly<Record<string, Wording>> = {
  healthy: wording('Healthy', 'disc', 'good'),
  ready: wording('Ready', 'disc', 'good'),
  serving: wording('Serving', 'disc', 'good'),
  busy: wording('Busy', 'disc', 'good'),
  idle: wording('Idle', 'disc', 'good'),
  live: wording('Live', 'disc', 'good'),
  answers: wording('Answers', 'disc', 'good'),
  complete: wording('Complete', 'disc', 'good'),
  good: wording('Good', 'disc', 'good'),
  full: wording('Full', 'triangle', 'warn'),
  drain: wording('Being emptied', 'half', 'busy'),
  open: wording('Open', 'disc', 'good'),
  opening: wording('Opening', 'half', 'busy'),
  done: wording('Done', 'disc', 'quiet'),
  deploying: wording('Deploying', 'half', 'busy'),
  starting: wording('Starting', 'half', 'busy'),
  draining: wording('Draining', 'half', 'busy'),
  stopping: wording('Stopping', 'half', 'busy'),
  connecting: wording('Connecting', 'half', 'busy'),
  waiting: wording('Waiting', 'ring', 'quiet'),
  running: wording('Running', 'half', 'busy'),
  failed: wording('Failed', 'cross', 'bad'),
  copying: wording('Not complete yet', 'half', 'busy'),
  ordering: wording('Being ordered', 'half', 'busy'),
  'expires-soon': wording('Expires soon', 'triangle', 'warn'),
  'not-yet-valid': wording('Not valid yet', 'triangle', 'warn'),
  mismatch: wording('Fits no host', 'triangle', 'warn'),
  wildcard: wording('Needs a hook for DNS', 'triangle', 'warn'),
  expired: wording('Expired', 'cross', 'bad'),
  none: wording('None', 'ring', 'quiet'),
  suspect: wording('Suspect', 'triangle', 'warn'),
  degraded: wording('Degraded', 'triangle', 'warn'),
  unhealthy: wording('Unhealthy', 'triangle', 'warn'),
  backoff: wording('Waiting to restart', 'triangle', 'warn'),
  failing: wording('Failing', 'cross', 'bad'),
  lost: wording('Lost', 'cross', 'bad'),
  nowhere: wording('No node', 'cross', 'bad'),
  silent: wording('Does not answer', 'cross', 'bad'),
  away: wording('Away', 'cross', 'bad'),
  paused: wording('Paused', 'square', 'quiet'),
  stopped: wording('Stopped', 'square', 'quiet'),
  empty: wording('Nothing deployed', 'ring', 'quiet'),
};

/** A state that this console does not know yet is shown by its own name. */
export function wordingOf(state: string): Wording {
  return WORDINGS[state] ?? wording(state, 'ring', 'quiet');
}

const TONES: readonly Tone[] = ['bad', 'warn', 'busy', 'quiet', 'good'];

/** The state to look at first among several; `good` when there are none. */
export function worstTone(states: readonly string[]): Tone {
  const tones = new Set(states.map((state) => wordingOf(state).tone));
  const worst = TONES.find((tone) => tones.has(tone));
  return worst === undefined || worst === 'quiet' ? 'good' : worst;
}
