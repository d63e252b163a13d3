/**
 * HAProxy's agent-check: one line of words, split by spaces, tabs or commas. What is not said stays as it was; what is not
 * understood is passed over, since programs that speak it say things to others too.
 */

export interface AgentWord {
  /** In place of the configured one. */
  readonly weight: number | undefined;
  /** Of the weight; 1 is all of it. */
  readonly share: number;
  readonly maxConnections: number | undefined;
  /** `drain` takes no new sessions, `maint` nothing at all. */
  readonly admin: 'ready' | 'drain' | 'maint';
  readonly isUp: boolean;
}

export const NOTHING_SAID: AgentWord = {
  weight: undefined,
  share: 1,
  maxConnections: undefined,
  admin: 'ready',
  isUp: true,
};

/** HAProxy's limit of a weight. */
const WEIGHT_MAX = 256;

export function afterAgentLine(state: AgentWord, text: string): AgentWord {
  const line = text.split(/[\r\n]/, 1)[0] ?? '';
  let next = state;
  for (const word of line.toLowerCase().split(/[ \t,]+/)) {
    // The rest says why.
    if (word.startsWith('#')) break;
    next = afterWord(next, word.split('#', 1)[0] ?? '');
    if (word.includes('#')) break;
  }
  return next;
}

function afterWord(state: AgentWord, word: string): AgentWord {
  switch (word) {
    case 'ready':
    case 'drain':
    case 'maint':
      return { ...state, admin: word };
    case 'up':
      return { ...state, isUp: true };
    case 'down':
    case 'fail':
    case 'failed':
    case 'stopped':
      return { ...state, isUp: false };
    default:
      return afterNumber(state, word);
  }
}

function afterNumber(state: AgentWord, word: string): AgentWord {
  const [, percent] = /^(?:weight:)?(\d{1,5})%$/.exec(word) ?? [];
  if (percent !== undefined) return { ...state, weight: undefined, share: Number(percent) / 100 };
  const [, weight] = /^weight:(\d{1,3})$/.exec(word) ?? [];
  if (weight !== undefined) {
    return { ...state, weight: Math.min(WEIGHT_MAX, Number(weight)), share: 1 };
  }
  const [, connections] = /^maxconn:(\d{1,9})$/.exec(word) ?? [];
  return connections === undefined ? state : { ...state, maxConnections: Number(connections) };
}
