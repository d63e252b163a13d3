/** Small charts as SVG, for docs: lines over two axes, each line with a dash of its own and its name at its end. */

export interface Axis {
  readonly title: string;
  readonly min: number;
  readonly max: number;
  /** Where numbers stand, and what is written there. */
  readonly ticks: readonly (readonly [value: number, text: string])[];
  readonly isLogarithmic?: boolean;
}

export interface Line {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface Plot {
  readonly title: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly lines: readonly Line[];
}

const WIDTH = 760;
const HEIGHT = 400;
const LEFT = 80;
const RIGHT = 190;
const TOP = 40;
const BOTTOM = 60;
/** Told apart without colours too. */
const STROKES = ['#0b5394', '#a61c00', '#38761d', '#674ea7'] as const;
const DASHES = ['none', '8 4', '2 4', '10 3 2 3'] as const;

/** The text of an SVG file. Points outside of the axes are left out. */
export function plotSvg({ title, x, y, lines }: Plot): string {
  const across = (value: number): number => LEFT + share(x, value) * (WIDTH - LEFT - RIGHT);
  const down = (value: number): number =>
    HEIGHT - BOTTOM - share(y, value) * (HEIGHT - TOP - BOTTOM);
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" font-family="sans-serif" font-size="12">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    text(WIDTH / 2, 22, title, 'middle'),
    text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 14, x.title, 'middle'),
    `<g transform="rotate(-90 18 ${HEIGHT / 2})">${text(18, HEIGHT / 2, y.title, 'middle')}</g>`,
  ];
  for (const [value, label] of x.ticks) {
    parts.push(rule(across(value), TOP, across(value), HEIGHT - BOTTOM));
    parts.push(text(across(value), HEIGHT - BOTTOM + 18, label, 'middle'));
  }
  for (const [value, label] of y.ticks) {
    parts.push(rule(LEFT, down(value), WIDTH - RIGHT, down(value)));
    parts.push(text(LEFT - 8, down(value) + 4, label, 'end'));
  }
  for (const [at, { name, points }] of lines.entries()) {
    const inside = points.filter(([left, high]) => isInside(x, left) && isInside(y, high));
    const path = inside.map(
      ([left, high]) => `${across(left).toFixed(1)},${down(high).toFixed(1)}`,
    );
    const stroke = STROKES[at % STROKES.length] ?? '';
    const dash = DASHES[at % DASHES.length] ?? '';
    parts.push(
      `<polyline fill="none" stroke="${stroke}" stroke-width="2" stroke-dasharray="${dash}" points="${path.join(' ')}"/>`,
    );
    const [left, high] = inside.at(-1) ?? [x.min, y.min];
    parts.push(text(across(left) + 8, down(high) + 4, name, 'start', stroke));
  }
  return `${[...parts, '</svg>'].join('\n')}\n`;
}

function share({ min, max, isLogarithmic = false }: Axis, value: number): number {
  if (!isLogarithmic) return (value - min) / (max - min);
  return Math.log(value / min) / Math.log(max / min);
}

function isInside({ min, max }: Axis, value: number): boolean {
  return value >= min && value <= max;
}

function rule(x1: number, y1: number, x2: number, y2: number): string {
  const places = `x1="${x1.toFixed(1)}" y1="${y1.toFixed(1)}" x2="${x2.toFixed(1)}" y2="${y2.toFixed(1)}"`;
  return `<line ${places} stroke="#ddd"/>`;
}

function text(x: number, y: number, words: string, anchor: string, fill = '#222'): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}" fill="${fill}">${escaped(words)}</text>`;
}

function escaped(words: string): string {
  return words.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
