CREATE TABLE t1(a INTEGER PRIMARY KEY, b TEXT NOT NULL DEFAULT 'x', c REAL, d AS (a+1) VIRTUAL, UNIQUE(b,c))
CREATE TABLE t2(x, y REFERENCES t1(a) ON DELETE CASCADE, PRIMARY KEY(x,y)) WITHOUT ROWID
CREATE INDEX i1 ON t1(c DESC)
CREATE INDEX i2 ON t1(lower(b)) WHERE c > 0
CREATE VIEW v1 AS SELECT a, b FROM t1
PRAGMA table_info(t1)
PRAGMA table_xinfo(t1)
PRAGMA table_info('t2')
PRAGMA table_info = t1
PRAGMA main.table_info(t1)
PRAGMA index_list(t1)
PRAGMA index_list('t2')
PRAGMA index_info(i1)
PRAGMA index_xinfo(i1)
PRAGMA index_xinfo(i2)
PRAGMA foreign_key_list(t2)
PRAGMA table_info(v1)
PRAGMA table_info(nosuch)
PRAGMA table_list
PRAGMA table_list(t1)
PRAGMA user_version
PRAGMA user_version = 7
PRAGMA user_version
PRAGMA application_id
PRAGMA application_id = 77
PRAGMA application_id
PRAGMA encoding
PRAGMA foreign_keys
PRAGMA foreign_keys = OFF
PRAGMA foreign_keys
PRAGMA foreign_keys = ON
PRAGMA foreign_keys(0)
PRAGMA foreign_keys
PRAGMA foreign_keys = 1
PRAGMA foreign_keys
PRAGMA defer_foreign_keys
PRAGMA defer_foreign_keys = ON
PRAGMA defer_foreign_keys
PRAGMA recursive_triggers
PRAGMA recursive_triggers = ON
PRAGMA recursive_triggers
PRAGMA recursive_triggers = OFF
PRAGMA case_sensitive_like = OFF
PRAGMA ignore_check_constraints
PRAGMA count_changes
PRAGMA short_column_names
PRAGMA full_column_names
PRAGMA empty_result_callbacks
PRAGMA read_uncommitted
PRAGMA reverse_unordered_selects
PRAGMA query_only
PRAGMA query_only = ON
INSERT INTO t1(a) VALUES (99)
PRAGMA query_only = OFF
INSERT INTO t1(a) VALUES (99)
PRAGMA trusted_schema
PRAGMA cell_size_check
PRAGMA checkpoint_fullfsync
PRAGMA secure_delete
PRAGMA writable_schema
PRAGMA legacy_alter_table
PRAGMA hard_heap_limit
PRAGMA soft_heap_limit
PRAGMA analysis_limit
PRAGMA automatic_index
PRAGMA nosuchpragma
PRAGMA nosuchpragma = 4
PRAGMA collation_list
PRAGMA integrity_check
PRAGMA quick_check
PRAGMA quick_check(t1)
PRAGMA integrity_check(5)
PRAGMA foreign_key_check
PRAGMA foreign_key_check(t2)
PRAGMA busy_timeout = 5000
PRAGMA busy_timeout
PRAGMA journal_mode
PRAGMA synchronous
PRAGMA synchronous = OFF
PRAGMA cache_size
PRAGMA cache_size = 1000
PRAGMA temp_store
PRAGMA temp_store = MEMORY
PRAGMA page_size
PRAGMA auto_vacuum
PRAGMA locking_mode
PRAGMA threads
PRAGMA max_page_count
PRAGMA shrink_memory
PRAGMA stats
PRAGMA wal_checkpoint
PRAGMA database_list
SELECT * FROM pragma_table_info('t1')
SELECT * FROM pragma_table_xinfo('t1') WHERE hidden <> 0
SELECT * FROM pragma_index_list('t1')
SELECT m.name, p.name, p.type FROM sqlite_master m, pragma_table_info(m.name) p WHERE m.type='table' ORDER BY 1, p.cid
SELECT il.name, ii.name FROM pragma_index_list('t1') il, pragma_index_info(il.name) ii ORDER BY 1, ii.seqno
SELECT * FROM pragma_foreign_key_list('t2')
SELECT * FROM pragma_user_version
SELECT user_version FROM pragma_user_version
SELECT * FROM pragma_database_list
SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY rowid
SELECT name FROM sqlite_schema WHERE type='index' ORDER BY name
SELECT type, name, tbl_name, sql FROM main.sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY name
SELECT count(*) FROM sqlite_master WHERE type='table' AND name='t1'
SELECT * FROM sqlite_temp_master
SELECT sql FROM sqlite_master WHERE name = 't1'
SELECT rowid, name FROM sqlite_master ORDER BY rowid
SELECT typeof(rootpage) FROM sqlite_master ORDER BY rowid
SELECT name FROM pragma_table_list WHERE schema='main' ORDER BY name
SELECT sqlite_version() = sqlite_version()
SELECT sqlite_source_id() IS NOT NULL
SELECT * FROM pragma_compile_options WHERE 0
SELECT sqlite_compileoption_used('ENABLE_FTS5')
DROP TABLE sqlite_master
CREATE TABLE sqlite_foo(a)
EXPLAIN QUERY PLAN SELECT * FROM t1 WHERE a = 5
EXPLAIN QUERY PLAN SELECT * FROM t1 WHERE c > 1
EXPLAIN QUERY PLAN SELECT * FROM t1, t2 WHERE x = a
EXPLAIN QUERY PLAN SELECT * FROM nosuch
ANALYZE nosuch
REINDEX
REINDEX t1
REINDEX i1
REINDEX nosuch
