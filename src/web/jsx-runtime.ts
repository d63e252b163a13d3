/**
 * JSX of apps, rendered to text on the server: what the compiler asks for as `moln/jsx-runtime`. The only file that knows
 * Hono, whose JSX this is. Everything that is put into a page is escaped unless it went through `raw`.
 */
import { raw } from 'hono/html';
import {
  type Child,
  Fragment,
  type FC,
  type JSXNode,
  jsx as element,
  type PropsWithChildren,
  useCallback,
  useEffect,
  useId,
  useLayoutEffect,
  useMemo,
  useReducer,
  useRef,
  useState,
} from 'hono/jsx';
import { jsxAttr, jsxEscape, jsxTemplate } from 'hono/jsx/jsx-runtime';

export type { JSX } from 'hono/jsx/jsx-runtime';
export { jsx, jsxs } from 'hono/jsx/jsx-runtime';
export { jsxDEV } from 'hono/jsx/jsx-dev-runtime';
export { type Child, element, type FC, Fragment, jsxAttr, jsxEscape, jsxTemplate, raw };
export type { JSXNode, PropsWithChildren };
export { useCallback, useEffect, useId, useLayoutEffect, useMemo, useReducer, useRef, useState };

/** The text of what a view gave; views may be asynchronous at any depth. */
export async function renderText(node: unknown): Promise<string> {
  return String(await (node as { toString(): string | Promise<string> }).toString());
}

/** True for what JSX makes, not for data. */
export function isElement(value: unknown): value is JSXNode {
  return (
    typeof value === 'object' &&
    value !== null &&
    (value instanceof String ? 'isEscaped' in value : 'tag' in value && 'props' in value)
  );
}
