/**
 * P3: each stripe groups and aggregates its own rows, the coordinator groups their results again. Aggregates become one or
 * two partial columns and an expression over them; everything else of the text is kept, with columns of GROUP BY put in for
 * themselves.
 */
import type { Binding } from './binding.ts';
import { foldName } from './table.ts';
import { resolve } from './colocation.ts';
import type { Item } from './pins.ts';
import { isAggregate } from './aggregates.ts';
import type { CombineColumn, ScatterShape } from './scatter-shape.ts';
import {
  type AstNode,
  cut,
  type Edit,
  type Expr,
  find,
  type Select,
  type SelectFrom,
  walk,
} from './syntax.ts';

export interface PartialOptions {
  readonly binding: Binding;
  readonly body: Select;
  readonly select: SelectFrom;
  readonly items: readonly Item[];
  readonly edits: readonly Edit[];
  readonly aggregates: ReadonlySet<string>;
}

interface Key {
  readonly at: number;
  readonly column: string;
  readonly name: string;
}

class Refused extends Error {}

export function partialAggregates(
  options: PartialOptions,
): Pick<ScatterShape, 'stripeText' | 'combine'> | string {
  try {
    return new Partials(options).build();
  } catch (error) {
    if (error instanceof Refused) return error.message;
    throw error;
  }
}

class Partials {
  readonly #options: PartialOptions;
  readonly #keys: Key[] = [];
  readonly #columns: CombineColumn[] = [];
  readonly #texts: string[] = [];

  constructor(options: PartialOptions) {
    this.#options = options;
  }

  build(): Pick<ScatterShape, 'stripeText' | 'combine'> {
    const { binding, body, edits, select } = this.#options;
    for (const expr of select.groupBy ?? []) this.#addKey(expr);
    const outputs = select.columns.map((column) => {
      if (column.type !== 'ExprResultColumn') throw new Refused('it shows * beside aggregates');
      const alias = column.alias === undefined ? '' : ` ${cut(binding.sql, column.alias.span, [])}`;
      return `${this.#rewrite(column.expr)}${alias}`;
    });
    const having = select.having === undefined ? '' : ` HAVING ${this.#rewrite(select.having)}`;
    const order = (body.orderBy ?? []).map((term) => {
      const tail = `${term.order === 'Desc' ? ' DESC' : ''}${term.nulls === undefined ? '' : ` NULLS ${term.nulls}`}`;
      return `${this.#orderText(term.expr)}${tail}`;
    });
    const limit = body.limit === undefined ? '' : ` ${cut(binding.sql, body.limit.span, edits)}`;
    const group = this.#keys.map(({ name }) => name).join(', ');
    const grouped = group === '' ? '' : ` GROUP BY ${group}`;
    const from = select.from === undefined ? '' : ` ${cut(binding.sql, select.from.span, edits)}`;
    const where =
      select.whereClause === undefined
        ? ''
        : ` WHERE ${cut(binding.sql, select.whereClause.span, edits)}`;
    const keyTexts = (select.groupBy ?? []).map((_, at) => this.#texts[at]).join(', ');
    if (this.#texts.length === 0) throw new Refused('it has nothing to aggregate');
    return {
      stripeText: `SELECT ${this.#texts.join(', ')}${from}${where}${keyTexts === '' ? '' : ` GROUP BY ${keyTexts}`}`,
      combine: {
        columns: this.#columns,
        text: `SELECT ${select.distinctness === 'Distinct' ? 'DISTINCT ' : ''}${outputs.join(', ')} FROM _g${grouped}${having}${order.length === 0 ? '' : ` ORDER BY ${order.join(', ')}`}${limit}`,
      },
    };
  }

  /** Which of several equal values stands for a group is open: only where equal means the same is it pushed. */
  #addKey(expr: Expr): void {
    const { binding, edits, items, select } = this.#options;
    const named =
      expr.type === 'Id' &&
      select.columns.some(
        (one) =>
          one.type === 'ExprResultColumn' &&
          one.alias !== undefined &&
          foldName(one.alias.name.text) === foldName(expr.name) &&
          resolve(one.expr, items)?.column !== resolve(expr, items)?.column,
      );
    const found = named ? undefined : resolve(expr, items);
    if (found === undefined) throw new Refused('it groups by more than columns');
    const { affinity, collation } = found.column;
    if (affinity === 'blob' || collation !== 'BINARY') {
      throw new Refused(`equal values of column "${found.column.name}" may look different`);
    }
    const name = `_k${this.#keys.length}`;
    this.#keys.push({ at: found.at, column: foldName(found.column.name), name });
    this.#columns.push({ name, affinity, collation });
    this.#texts.push(cut(binding.sql, expr.span, edits));
  }

  #orderText(expr: Expr): string {
    if (expr.type === 'NumericLiteral') return expr.value;
    const { binding, items, select } = this.#options;
    const isAlias =
      expr.type === 'Id' &&
      select.columns.some(
        (one) =>
          one.type === 'ExprResultColumn' &&
          one.alias !== undefined &&
          foldName(one.alias.name.text) === foldName(expr.name),
      );
    if (isAlias) {
      if (resolve(expr, items) !== undefined)
        throw new Refused('an alias has the name of a column');
      return cut(binding.sql, expr.span, []);
    }
    return this.#rewrite(expr);
  }

  /** The text of an expression over the combined rows. */
  #rewrite(expr: Expr): string {
    const { binding, edits } = this.#options;
    const replaced: Edit[] = [];
    walk(expr, (node) => {
      const text = this.#replacement(node);
      if (text === undefined) return true;
      replaced.push({ span: node.span, text });
      return false;
    });
    const covered = (edit: Edit): boolean =>
      replaced.some(
        ({ span }) =>
          edit.span.offset >= span.offset && edit.span.offset < span.offset + span.length,
      );
    return cut(binding.sql, expr.span, [...edits.filter((edit) => !covered(edit)), ...replaced]);
  }

  #replacement(node: AstNode): string | undefined {
    const { aggregates, items } = this.#options;
    if (isAggregate(node, aggregates)) return this.#aggregate(node);
    if (node.type !== 'Id' && node.type !== 'QualifiedExpr' && node.type !== 'NameExpr') {
      return undefined;
    }
    if (node.type === 'Id' && this.#isFunctionName(node)) return undefined;
    const found = resolve(node, items);
    const key = this.#keys.find(
      ({ at, column }) => at === found?.at && column === foldName(found.column.name),
    );
    if (key !== undefined) return key.name;
    throw new Refused('it shows columns that it does not group by');
  }

  /** The name of a function is a node too. */
  #isFunctionName(node: AstNode): boolean {
    const { body } = this.#options;
    const call = find(
      body,
      (one) =>
        (one.type === 'FunctionCallExpr' || one.type === 'FunctionCallStarExpr') &&
        one.name === node,
    );
    return call !== undefined;
  }

  #aggregate(node: AstNode): string {
    const { binding, edits, items } = this.#options;
    if (node.type !== 'FunctionCallExpr' && node.type !== 'FunctionCallStarExpr') {
      throw new Refused('it aggregates in a way the planner does not follow');
    }
    const name = node.name.name.toLowerCase();
    const filter =
      node.filterOver === undefined ? '' : ` ${cut(binding.sql, node.filterOver.span, edits)}`;
    if (node.type === 'FunctionCallStarExpr') {
      if (name !== 'count') throw new Refused(`it calls ${name}(*)`);
      return `coalesce(sum(${this.#partial(`count(*)${filter}`)}), 0)`;
    }
    if (node.distinctness === 'Distinct') throw new Refused('it aggregates DISTINCT values');
    if (node.orderBy !== undefined) throw new Refused('it aggregates in an order');
    const [arg] = node.args ?? [];
    if (arg === undefined) {
      if (name !== 'count') throw new Refused(`it calls ${name}()`);
      return `coalesce(sum(${this.#partial(`count(*)${filter}`)}), 0)`;
    }
    if (find(arg, (one) => isAggregate(one, this.#options.aggregates)) !== undefined) {
      throw new Refused('it aggregates aggregates');
    }
    const text = cut(binding.sql, arg.span, edits);
    switch (name) {
      case 'count':
        return `coalesce(sum(${this.#partial(`count(${text})${filter}`)}), 0)`;
      case 'sum':
      case 'total':
        return `${name}(${this.#partial(`${name}(${text})${filter}`)})`;
      case 'avg': {
        const sum = this.#partial(`total(${text})${filter}`);
        const count = this.#partial(`count(${text})${filter}`);
        return `(total(${sum}) / nullif(total(${count}), 0))`;
      }
      case 'min':
      case 'max': {
        const column = resolve(arg, items)?.column;
        if (column === undefined || column.affinity === 'blob' || column.collation !== 'BINARY') {
          throw new Refused(`equal values of ${name}() may look different`);
        }
        return `${name}(${this.#partial(`${name}(${text})${filter}`)})`;
      }
      default:
        throw new Refused(`${name}() needs all rows in one place`);
    }
  }

  #partial(text: string): string {
    const name = `_p${this.#columns.length}`;
    this.#columns.push({ name, affinity: 'blob', collation: 'BINARY' });
    this.#texts.push(text);
    return name;
  }
}
