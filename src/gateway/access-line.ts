/**
 * The text of one finished request, as JSON or in the "combined" format of Apache and nginx. Whatever bytes a client sent, one
 * request is one line, and no field can look like another.
 */
import { isoTime } from '../base/time.ts';
import type { AccessEntry } from './access-log.ts';

/** Printable ASCII without quotes and backslashes: goes into either format as it is, which is twice as fast. */
const CLEAN = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;
const CLEAN_WORD = /^[\x21\x23-\x5b\x5d-\x7e]+$/;
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** Keeps the text of a second, which is made once. */
export class AccessLines {
  #second = -1;
  #isoText = '';
  #clfText = '';

  /** Written by hand: four times as fast as stringifying an object, and this runs for every request. */
  json(entry: AccessEntry): string {
    const { id, user, route, upstream, cache, protocol, traceId, errorId, error } = entry;
    const { upstreamMs, upstreamHeadMs } = entry;
    this.#tick(entry.time);
    const ms = Math.floor(entry.time) - this.#second * 1000;
    let line = `{"time":"${this.#isoText}${String(ms).padStart(3, '0')}Z"`;
    if (id !== undefined) line += `,"id":"${id}"`;
    line += `,"client":${quote(entry.client)}`;
    if (user !== undefined) line += `,"user":${quote(user)}`;
    line += `,"method":${quote(entry.method)},"host":${quote(entry.host)}`;
    line += `,"target":${quote(entry.target)},"status":${entry.status}`;
    line += `,"durationMs":${micro(entry.durationMs)}`;
    line += `,"bytesIn":${entry.bytesIn},"bytesOut":${entry.bytesOut}`;
    if (route !== undefined) line += `,"route":${quote(route)}`;
    if (upstream !== undefined) line += `,"upstream":${quote(upstream)}`;
    if (upstreamHeadMs !== undefined) line += `,"upstreamHeadMs":${micro(upstreamHeadMs)}`;
    if (upstreamMs !== undefined) line += `,"upstreamMs":${micro(upstreamMs)}`;
    if (cache !== undefined) line += `,"cache":"${cache}"`;
    if (protocol !== undefined) line += `,"protocol":${quote(protocol)}`;
    if (traceId !== undefined) line += `,"traceId":"${traceId}"`;
    if (errorId !== undefined) line += `,"errorId":${quote(errorId)}`;
    if (error !== undefined) line += `,"error":${quote(error)}`;
    return `${line}}\n`;
  }

  combined(entry: AccessEntry): string {
    const { client, user, method, target, status, bytesOut, referer, agent } = entry;
    this.#tick(entry.time);
    const protocol = (entry.protocol ?? 'http/1.1').toUpperCase();
    const request = `${escaped(method)} ${escaped(target)} ${escaped(protocol)}`;
    const answer = `${status} ${bytesOut}`;
    return `${word(client)} - ${word(user)} [${this.#clfText}] "${request}" ${answer} ${quoted(referer)} ${quoted(agent)}\n`;
  }

  #tick(ms: number): void {
    const second = Math.floor(ms / 1000);
    if (second === this.#second) return;
    this.#second = second;
    const iso = isoTime(second * 1000);
    this.#isoText = iso.slice(0, 20);
    const month = MONTHS[Number(iso.slice(5, 7)) - 1] ?? '';
    const day = `${iso.slice(8, 10)}/${month}/${iso.slice(0, 4)}`;
    this.#clfText = `${day}:${iso.slice(11, 19)} +0000`;
  }
}

function micro(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}

function quote(text: string): string {
  return CLEAN.test(text) ? `"${text}"` : JSON.stringify(text);
}

/** As nginx does: what is not clean is `\xHH`, byte by byte. */
function escaped(text: string): string {
  if (CLEAN.test(text)) return text;
  let line = '';
  for (const byte of Buffer.from(text, isLatin1(text) ? 'latin1' : 'utf8')) {
    const isClean = byte >= 0x20 && byte < 0x7f && byte !== 0x22 && byte !== 0x5c;
    line += isClean ? String.fromCharCode(byte) : `\\x${hex(byte)}`;
  }
  return line;
}

function isLatin1(text: string): boolean {
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) > 0xff) return false;
  return true;
}

function hex(byte: number): string {
  return byte.toString(16).toUpperCase().padStart(2, '0');
}

/** A field that stands without quotes: it must have no blank, and not be empty. */
function word(text: string | undefined): string {
  if (text === undefined || text === '') return '-';
  return CLEAN_WORD.test(text) ? text : escaped(text).replaceAll(' ', '\\x20');
}

function quoted(text: string | undefined): string {
  return text === undefined || text === '' ? '"-"' : `"${escaped(text)}"`;
}
