CREATE TABLE t(a, b)
INSERT INTO t VALUES ('x', 1), ('y', 2), (NULL, NULL)
SELECT rowid, oid, _rowid_, * FROM t
SELECT t.rowid FROM t WHERE rowid = 2
SELECT * FROM t WHERE _rowid_ IN (1, 3)
INSERT INTO t(rowid, a) VALUES (10, 'ten')
SELECT last_insert_rowid()
INSERT INTO t VALUES ('after', 11)
SELECT last_insert_rowid()
SELECT rowid, * FROM t
UPDATE t SET rowid = 20 WHERE a = 'ten'
SELECT rowid, * FROM t
UPDATE t SET rowid = 1 WHERE a = 'after'
INSERT INTO t(oid, a) VALUES (1, 'dup')
INSERT OR REPLACE INTO t(oid, a) VALUES (1, 'dup')
SELECT rowid, * FROM t
DELETE FROM t WHERE rowid > 10
SELECT rowid, * FROM t
INSERT INTO t(_rowid_, a) VALUES (9223372036854775807, 'max')
DELETE FROM t
INSERT INTO t VALUES ('first', 1)
SELECT rowid, * FROM t
INSERT INTO t(rowid, a) VALUES (-5, 'neg')
INSERT INTO t(rowid, a) VALUES ('7', 'str')
INSERT INTO t(rowid, a) VALUES (8.0, 'real')
INSERT INTO t(rowid, a) VALUES (8.5, 'real')
INSERT INTO t(rowid, a) VALUES ('abc', 'bad')
SELECT rowid, typeof(rowid), a FROM t ORDER BY rowid
SELECT max(rowid), min(rowid), count(rowid) FROM t
CREATE TABLE r(rowid TEXT, a)
INSERT INTO r VALUES ('mine', 1)
SELECT rowid, oid, _rowid_, a FROM r
SELECT * FROM r WHERE rowid = 'mine'
CREATE TABLE al(id INTEGER PRIMARY KEY DESC, v)
INSERT INTO al(v) VALUES ('p'), ('q')
SELECT rowid, * FROM al
CREATE TABLE al2(id INT PRIMARY KEY, v)
INSERT INTO al2(v) VALUES ('p'), ('q')
SELECT rowid, * FROM al2
CREATE TABLE al3(v, id INTEGER, PRIMARY KEY (id))
INSERT INTO al3(v) VALUES ('p'), ('q')
INSERT INTO al3 VALUES ('z', NULL)
INSERT INTO al3 VALUES ('z', '12')
INSERT INTO al3 VALUES ('z', 'no')
INSERT INTO al3 VALUES ('z', 5.5)
INSERT INTO al3 VALUES ('z', x'31')
SELECT rowid, * FROM al3
UPDATE al3 SET id = id + 100
SELECT rowid, * FROM al3
UPDATE al3 SET id = NULL WHERE v = 'z'
UPDATE al3 SET id = 'abc' WHERE v = 'z'
SELECT last_insert_rowid()
CREATE TABLE au(id INTEGER PRIMARY KEY AUTOINCREMENT, v)
INSERT INTO au(v) VALUES (1),(2),(3)
DELETE FROM au
INSERT INTO au(v) VALUES (4)
SELECT * FROM au
SELECT * FROM sqlite_sequence
UPDATE sqlite_sequence SET seq = 100 WHERE name = 'au'
INSERT INTO au(v) VALUES (5)
SELECT * FROM au
INSERT INTO au VALUES (9223372036854775807, 'm')
INSERT INTO au(v) VALUES (6)
DELETE FROM au
DROP TABLE au
SELECT * FROM sqlite_sequence
CREATE TABLE w(a INTEGER PRIMARY KEY, b) WITHOUT ROWID
INSERT INTO w VALUES (1, 2)
INSERT INTO w(b) VALUES (2)
INSERT INTO w VALUES (NULL, 2)
INSERT INTO w VALUES ('x', 2)
SELECT last_insert_rowid()
SELECT rowid FROM w
SELECT * FROM w
CREATE TABLE empty0(a)
SELECT rowid, * FROM empty0
SELECT max(rowid) FROM empty0
SELECT a FROM t ORDER BY rowid DESC LIMIT 1
SELECT x.rowid, y.rowid FROM t x, t y WHERE x.rowid = y.rowid
SELECT rowid FROM t, r
SELECT rowid FROM (SELECT * FROM t)
SELECT rowid FROM (SELECT a FROM t LIMIT 1)
CREATE VIEW vt AS SELECT rowid AS rid, a FROM t
SELECT * FROM vt
SELECT _rid FROM t
SELECT "_rid" FROM t
CREATE TABLE own(_rid, a)
INSERT INTO own VALUES ('mine', 1)
SELECT _rid, rowid, * FROM own
