/** What knex asks of better-sqlite3, over Node's own SQLite: the package itself would download a binary. */
const { DatabaseSync } = require('node:sqlite');

module.exports = class {
  #file;
  #prepared = new Map();

  constructor(path) {
    this.#file = new DatabaseSync(path);
  }

  prepare(sql) {
    const known = this.#prepared.get(sql);
    if (known !== undefined) return known;
    const statement = this.#file.prepare(sql);
    const made = {
      reader: statement.columns().length > 0,
      all: (bindings) => statement.all(...bindings),
      run: (bindings) => statement.run(...bindings),
    };
    this.#prepared.set(sql, made);
    return made;
  }

  close() {
    this.#file.close();
  }
};
