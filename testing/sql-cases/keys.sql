CREATE TABLE p(a, b, c, PRIMARY KEY (a, b))
INSERT INTO p VALUES (1,1,'x'),(1,2,'y'),(2,1,'z'),(NULL,1,'n'),(NULL,1,'n2'),(1,NULL,'m')
INSERT INTO p VALUES (1,1,'dup')
SELECT rowid, * FROM p
SELECT * FROM p WHERE a IS NULL
SELECT * FROM p WHERE a = 1 AND b = 2
DELETE FROM p WHERE a IS NULL AND c = 'n2'
UPDATE p SET a = 5 WHERE a IS NULL
UPDATE p SET a = a + 1
SELECT * FROM p
UPDATE p SET b = b + 1 WHERE a = 2
UPDATE p SET a = 3, b = 1 WHERE c = 'x'
SELECT * FROM p
CREATE TABLE n(k NUMERIC PRIMARY KEY, v)
INSERT INTO n VALUES (1,'i'),('2','s'),(3.0,'r'),(4.5,'f'),('abc','t'),(x'35','b'),(1e20,'big')
SELECT k, typeof(k), v FROM n
INSERT INTO n VALUES ('1', 'dup')
INSERT INTO n VALUES (1.0, 'dup')
SELECT v FROM n WHERE k = '1'
SELECT v FROM n WHERE k = 1.0
SELECT v FROM n WHERE k = '4.5'
SELECT v FROM n WHERE k = 'abc'
SELECT v FROM n WHERE k = x'35'
SELECT v FROM n WHERE k IN ('1', 2, '3.0', 'abc')
SELECT v FROM n WHERE k = 100000000000000000000
CREATE TABLE x(k PRIMARY KEY, v)
INSERT INTO x VALUES (1,'i'),('1','s'),(1.5,'r'),(x'31','b'),(2.0,'two'),(9007199254740993,'big')
INSERT INTO x VALUES (1.0,'dup')
SELECT k, typeof(k), v FROM x
SELECT v FROM x WHERE k = 1
SELECT v FROM x WHERE k = '1'
SELECT v FROM x WHERE k = 2
SELECT v FROM x WHERE k = x'31'
SELECT v FROM x WHERE k = 9007199254740993
SELECT v FROM x WHERE k = 9007199254740992.0
SELECT v FROM x WHERE k BETWEEN 1 AND 2
SELECT v FROM x WHERE k = +'1'
SELECT v FROM x WHERE +k = '1'
CREATE TABLE nc(k TEXT COLLATE NOCASE PRIMARY KEY, v)
INSERT INTO nc VALUES ('Abc', 1), ('xyz', 2)
INSERT INTO nc VALUES ('ABC', 3)
SELECT * FROM nc WHERE k = 'aBC'
SELECT * FROM nc WHERE k = 'abc' COLLATE BINARY
SELECT * FROM nc WHERE k = 'Abc' COLLATE BINARY
UPDATE nc SET k = 'ABC' WHERE k = 'abc'
SELECT * FROM nc
INSERT OR REPLACE INTO nc VALUES ('abC', 9)
SELECT * FROM nc
CREATE TABLE rt(k TEXT COLLATE RTRIM PRIMARY KEY, v)
INSERT INTO rt VALUES ('a  ', 1), ('b', 2)
INSERT INTO rt VALUES ('a', 1)
SELECT '['||k||']', v FROM rt WHERE k = 'a'
CREATE TABLE re(k REAL PRIMARY KEY, v)
INSERT INTO re VALUES (1,'i'),(2.5,'r'),('3','s'),(-0.0,'z')
INSERT INTO re VALUES (0,'dupz')
SELECT k, typeof(k), v FROM re
SELECT v FROM re WHERE k = 1
SELECT v FROM re WHERE k = '1'
SELECT v FROM re WHERE k = 0
CREATE TABLE wk(a TEXT, b INT, v, PRIMARY KEY (a DESC, b)) WITHOUT ROWID
INSERT INTO wk VALUES ('a',1,1),('a',2,2),('b',1,3)
SELECT * FROM wk
INSERT INTO wk VALUES ('a', 1, 9) ON CONFLICT (a, b) DO UPDATE SET v = v + 100
SELECT * FROM wk WHERE a = 'a'
UPDATE wk SET a = 'c' WHERE b = 1
UPDATE wk SET a = b || v
SELECT * FROM wk ORDER BY a
INSERT INTO wk VALUES (NULL, 1, 1)
CREATE TABLE u(id INTEGER PRIMARY KEY, a, b, UNIQUE (a, b))
INSERT INTO u VALUES (1,1,1),(2,1,2),(3,NULL,1),(4,NULL,1)
INSERT INTO u VALUES (5,1,2)
INSERT INTO u(a,b) SELECT b, a FROM u
SELECT * FROM u
UPDATE u SET b = 1 WHERE id = 2
UPDATE u SET b = b + 1 WHERE a = 1
UPDATE u SET id = id + 1 WHERE id > 2
SELECT * FROM u
CREATE UNIQUE INDEX up ON u(b) WHERE a = 2
INSERT INTO u(a,b) VALUES (2, 50)
INSERT INTO u(a,b) VALUES (2, 50)
INSERT INTO u(a,b) VALUES (3, 50)
CREATE UNIQUE INDEX ue ON u(a * 10 + b)
INSERT INTO u(a,b) VALUES (2, 60)
INSERT INTO u(a,b) VALUES (1, 70)
SELECT * FROM u
CREATE TABLE big(id INTEGER PRIMARY KEY, t TEXT, b BLOB)
INSERT INTO big SELECT 1, replace(hex(zeroblob(50000)), '0', 'x'), zeroblob(100000)
INSERT INTO big VALUES (2, printf('%.*c', 300000, 'q'), randomblob(70000))
SELECT id, length(t), length(b), substr(t, 1, 5) FROM big
UPDATE big SET t = t || t, b = NULL
SELECT id, length(t), length(b) FROM big
CREATE TABLE dt(id INTEGER PRIMARY KEY, a DEFAULT (random()), b DEFAULT CURRENT_TIMESTAMP, c DEFAULT (datetime('now')), d DEFAULT (hex(randomblob(4))))
INSERT INTO dt(id) VALUES (1),(2),(3)
SELECT id, typeof(a), length(b), length(c), length(d) FROM dt
SELECT count(DISTINCT a), count(DISTINCT d) FROM dt
SELECT count(DISTINCT b) FROM dt
INSERT INTO dt(a) SELECT random() FROM dt
SELECT count(*), count(DISTINCT a) FROM dt
UPDATE dt SET a = random()
SELECT count(DISTINCT a) FROM dt
CREATE TABLE gen(a INTEGER, b INTEGER AS (a * 2) STORED UNIQUE, c AS (a || '-' || b), d TEXT GENERATED ALWAYS AS (upper(c)) VIRTUAL)
INSERT INTO gen VALUES (1),(2),(3)
INSERT INTO gen(a) VALUES (1)
INSERT INTO gen(a, b) VALUES (1, 2)
SELECT rowid, * FROM gen
UPDATE gen SET a = a + 10
SELECT * FROM gen WHERE d = '12-24'
SELECT c, d FROM gen WHERE b > 22 ORDER BY b DESC
CREATE INDEX gi ON gen(c)
SELECT a FROM gen WHERE c = '13-26'
UPDATE gen SET b = 1
CREATE TABLE gp(a INTEGER, k AS (a % 3) STORED, PRIMARY KEY (a))
INSERT INTO gp VALUES (1),(2),(3),(4)
SELECT k, count(*) FROM gp GROUP BY k
CREATE TABLE st(i INTEGER PRIMARY KEY, t TEXT, r REAL, b BLOB, n INT, a ANY) STRICT
INSERT INTO st VALUES (1, 'x', 1, x'01', '5', '005')
SELECT i, t, typeof(r), typeof(b), typeof(n), typeof(a), a FROM st
INSERT INTO st(t) VALUES (x'00')
INSERT INTO st(r) VALUES ('abc')
INSERT INTO st(b) VALUES ('text')
INSERT INTO st(n) VALUES (1.5)
UPDATE st SET n = 'zz'
CREATE TABLE stp(k INT PRIMARY KEY, v TEXT) STRICT
INSERT INTO stp VALUES (1,'a'),('2','b')
INSERT INTO stp VALUES (NULL,'a')
INSERT INTO stp VALUES ('x','a')
SELECT * FROM stp
CREATE TABLE orphan(id INTEGER PRIMARY KEY, gone REFERENCES nowhere(id))
INSERT INTO orphan VALUES (1, NULL)
DELETE FROM orphan WHERE id = 2
UPDATE orphan SET id = 3
UPDATE orphan SET gone = NULL
DROP TABLE orphan
CREATE TABLE anything(k ANY PRIMARY KEY, n INTEGER) STRICT
INSERT INTO anything VALUES ('5', 1), (5, 2), ('6', 3), (6.0, 4), ('x', 5)
SELECT n FROM anything WHERE k = '5'
SELECT n FROM anything WHERE k = 5
SELECT n FROM anything WHERE k IN ('6', '7')
SELECT n FROM anything WHERE k = 6
UPDATE anything SET n = 9 WHERE k = '6'
DELETE FROM anything WHERE k = '5'
SELECT * FROM anything ORDER BY n
