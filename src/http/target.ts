/**
 * What a request asks for: host, path and the target to forward (RFC 9112 3.2). Absolute form is turned into
 * origin form, and its authority wins over Host (3.2.2), so that nobody behind can see another host than the
 * one that was routed by.
 */
import { FIELD } from './field-names.ts';
import type { RequestHead } from './head.ts';
import { parseHost } from './host.ts';
import { HttpError } from './http-error.ts';
import { KnownTexts, NO_PLACE } from './known-texts.ts';
import { isPlainPath } from './path-readings.ts';

const SLASH = 0x2f;
const ABSOLUTE = /^https?:\/\/([^/?]*)(.*)$/i;

/** Host values whose check is remembered; the map is emptied when it is full. */
const HOSTS_REMEMBERED_MAX = 1024;
const hosts = new Map<string, KnownHost>();

interface KnownHost {
  readonly authority: string;
  /** Lower-case, without port. */
  readonly host: string;
}

const authorities = new KnownTexts();
const targets = new KnownTexts();
/** The last plain path at each of their places: to look is dearer than to compare with what was met before. */
const plain: string[] = Array.from({ length: KnownTexts.places }, () => '');

const NO_HOST: KnownHost = { authority: '', host: '' };

/** Checks a Host value. Throws HttpError 400. */
function hostOf(authority: string): KnownHost {
  const known = hosts.get(authority);
  if (known !== undefined) return known;
  const parsed = parseHost(authority);
  if (parsed === undefined) {
    throw new HttpError(400, 'HTTP_BAD_HOST', 'The host of the request is not a valid name');
  }
  if (hosts.size >= HOSTS_REMEMBERED_MAX) hosts.clear();
  // A string of its own: one that was cut out of the head would keep all of it in memory.
  const own = Buffer.from(authority, 'latin1').toString('latin1');
  const made = { authority: own, host: parsed.host };
  hosts.set(own, made);
  return made;
}

/** Reused from request to request. */
export class RequestTarget {
  /** Lower-case, without port; empty for HTTP/1.0 without Host. */
  host = '';
  /** As it goes into Host upstream, port included; empty for HTTP/1.0 without Host. */
  authority = '';
  /** Origin form (or `*`), query included. */
  target = '';
  /** The target up to its query; `/` for `*`. */
  path = '';
  /** The path leads everybody to the same place, see `readingsOf`. */
  isPlain = true;
  /** Of the target among those that come again (see `KnownTexts`), for what is remembered of them. */
  place: number = NO_PLACE;
  /** It is not the one in the head any more. */
  replaced = false;

  /** Throws HttpError 400, or 501 for methods that a gateway does not pass on. */
  read(head: RequestHead): void {
    const method = head.method;
    if (method === 'CONNECT' || method === 'TRACE') {
      throw new HttpError(501, 'HTTP_BAD_METHOD', `The method ${method} is not served here`);
    }
    this.readHost(head);
    this.target = targets.find(head.buffer, head.targetStart, head.targetEnd);
    this.place = targets.place;
    this.replaced = false;
    if (head.buffer[head.targetStart] !== SLASH) this.readOtherForm(method);
    this.readPath();
  }

  /** Another one, in origin form, is asked for. */
  replace(target: string): void {
    this.replaced = true;
    this.target = target;
    this.place = NO_PLACE;
    this.readPath();
  }

  private readHost(head: RequestHead): void {
    const index = head.indexOf(FIELD.host);
    if (index < 0) {
      this.setHost(NO_HOST);
      return;
    }
    const from = head.valueStart(index);
    this.setHost(hostOf(authorities.find(head.buffer, from, head.valueEnd(index))));
  }

  private readPath(): void {
    const query = this.target.indexOf('?');
    this.path = query < 0 ? this.target : this.target.slice(0, query);
    if (this.target === '*') this.path = '/';
    const { place, path } = this;
    if (place !== NO_PLACE && plain[place] === path) this.isPlain = true;
    else {
      this.isPlain = isPlainPath(path);
      if (place !== NO_PLACE && this.isPlain) plain[place] = path;
    }
  }

  private setHost(known: KnownHost): void {
    this.host = known.host;
    this.authority = known.authority;
  }

  private readOtherForm(method: string): void {
    if (this.target === '*' && method === 'OPTIONS') return;
    const absolute = ABSOLUTE.exec(this.target);
    if (absolute === null) {
      throw new HttpError(400, 'HTTP_BAD_TARGET', 'The request target is not a path');
    }
    const [, authority = '', rest = ''] = absolute;
    this.setHost(hostOf(authority));
    if (rest.startsWith('/')) this.target = rest;
    // RFC 9112 3.2.4: OPTIONS for a whole server.
    else if (rest === '' && method === 'OPTIONS') this.target = '*';
    else this.target = `/${rest}`;
  }
}
