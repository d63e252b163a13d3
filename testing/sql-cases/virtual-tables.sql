CREATE VIRTUAL TABLE ft USING fts5(title, body, tokenize='porter')
INSERT INTO ft VALUES ('running dogs', 'the quick brown fox'), ('cats', 'lazy dog sleeping'), ('third', 'nothing here')
SELECT rowid, * FROM ft
SELECT * FROM ft WHERE ft MATCH 'dog'
SELECT rowid, rank < 0 FROM ft WHERE ft MATCH 'dog' ORDER BY rank
SELECT snippet(ft, 1, '<', '>', '...', 3) FROM ft WHERE ft MATCH 'fox'
SELECT bm25(ft) < 0 FROM ft('dog')
SELECT * FROM ft WHERE ft MATCH 'title : run'
SELECT * FROM ft WHERE ft MATCH '"quick brown"'
SELECT * FROM ft WHERE ft MATCH 'qui*'
SELECT * FROM ft WHERE ft MATCH 'dog NOT fox'
SELECT * FROM ft WHERE ft MATCH '"'
INSERT INTO ft(rowid, title, body) VALUES (100, 'x', 'y')
SELECT last_insert_rowid(), changes()
UPDATE ft SET body = 'dog again' WHERE rowid = 3
DELETE FROM ft WHERE rowid = 1
SELECT rowid, * FROM ft WHERE ft MATCH 'dog'
SELECT count(*) FROM ft
SELECT name, type FROM sqlite_master ORDER BY name
SELECT sql FROM sqlite_master WHERE name = 'ft'
CREATE VIRTUAL TABLE f4 USING fts4(a, b)
INSERT INTO f4 VALUES ('hello', 'world')
SELECT docid, * FROM f4 WHERE f4 MATCH 'hello'
DROP TABLE ft
SELECT * FROM ft
BEGIN
CREATE VIRTUAL TABLE f9 USING fts5(a)
INSERT INTO f9 VALUES ('tx')
ROLLBACK
SELECT * FROM f9
CREATE VIRTUAL TABLE rt USING rtree(id, minx, maxx, miny, maxy, +label)
INSERT INTO rt VALUES (1, 0, 1, 0, 1, 'a'), (2, 5, 6, 5, 6, 'b')
SELECT id, label FROM rt WHERE minx >= 4
SELECT * FROM rt
UPDATE rt SET label = 'z' WHERE id = 2
SELECT * FROM rt
SELECT * FROM generate_series(1,3)
SELECT value FROM json_each('[3,1,2]') ORDER BY 1
SELECT key, value, type, atom, fullkey FROM json_tree('{"a":[1,{"b":2}]}')
CREATE VIRTUAL TABLE temp.tft USING fts5(body)
INSERT INTO tft VALUES ('hello world'), ('good night')
SELECT rowid FROM tft WHERE tft MATCH 'night'
SELECT rowid, body FROM tft WHERE rowid IN (SELECT 1)
UPDATE tft SET body = 'good morning' WHERE rowid = 2
SELECT * FROM tft WHERE tft MATCH 'good'
DROP TABLE tft
SELECT * FROM tft
CREATE VIRTUAL TABLE temp.trt USING rtree(id, x0, x1)
INSERT INTO trt VALUES (1, 0, 1), (2, 5, 6)
SELECT id FROM trt WHERE x0 >= 1
DELETE FROM trt WHERE id = 1
SELECT * FROM trt
DROP TABLE trt
DROP TABLE IF EXISTS docs
DROP TABLE IF EXISTS fts
DROP TABLE IF EXISTS r
CREATE TABLE docs(id INTEGER PRIMARY KEY, title TEXT, body TEXT)
CREATE VIRTUAL TABLE fts USING fts5(title, body, content='docs', content_rowid='id')
CREATE TRIGGER docs_ai AFTER INSERT ON docs BEGIN INSERT INTO fts(rowid, title, body) VALUES (new.id, new.title, new.body); END
CREATE TRIGGER docs_ad AFTER DELETE ON docs BEGIN INSERT INTO fts(fts, rowid, title, body) VALUES ('delete', old.id, old.title, old.body); END
CREATE TRIGGER docs_au AFTER UPDATE ON docs BEGIN INSERT INTO fts(fts, rowid, title, body) VALUES ('delete', old.id, old.title, old.body); INSERT INTO fts(rowid, title, body) VALUES (new.id, new.title, new.body); END
INSERT INTO docs(title, body) VALUES ('one','the quick fox'),('two','lazy dog'),('three','quick dog')
SELECT rowid, title FROM fts WHERE fts MATCH 'quick' ORDER BY rowid
SELECT d.id, d.title, snippet(fts, 1, '[', ']', '..', 4) FROM fts JOIN docs d ON d.id = fts.rowid WHERE fts MATCH 'dog' ORDER BY rank, d.id
UPDATE docs SET body = 'slow cat' WHERE id = 3
DELETE FROM docs WHERE id = 2
SELECT rowid, * FROM fts WHERE fts MATCH 'dog OR cat'
SELECT count(*) FROM fts
INSERT INTO fts(fts) VALUES ('rebuild')
INSERT INTO fts(fts) VALUES ('integrity-check')
SELECT rowid FROM fts('fox')
CREATE VIRTUAL TABLE cl USING fts5(a, content='')
INSERT INTO cl(rowid, a) VALUES (1,'hello world')
SELECT rowid FROM cl WHERE cl MATCH 'world'
CREATE VIRTUAL TABLE cd USING fts5(a, b, content='', contentless_delete=1)
INSERT INTO cd(rowid, a, b) VALUES (1,'hello world','x'),(2,'other','y')
DELETE FROM cd WHERE rowid = 1
SELECT rowid FROM cd WHERE cd MATCH 'other OR hello'
CREATE VIRTUAL TABLE tri USING fts5(a, tokenize='trigram')
INSERT INTO tri VALUES ('abcdef')
SELECT * FROM tri WHERE a LIKE '%cde%'
SELECT * FROM tri WHERE tri MATCH 'cde'
CREATE VIRTUAL TABLE voc USING fts5vocab('tri','row')
SELECT term, doc FROM voc ORDER BY term
CREATE TABLE src(id INTEGER PRIMARY KEY, title TEXT, body TEXT)
INSERT INTO src VALUES (1,'t1','alpha beta'),(2,'t2','beta gamma'),(3,'t3','delta')
CREATE VIRTUAL TABLE own USING fts5(title, body)
INSERT INTO own(rowid, title, body) SELECT id, title, body FROM src
INSERT INTO own VALUES ('x','omega'),('y','beta')
SELECT last_insert_rowid(), changes()
SELECT s.id, s.title FROM own JOIN src s ON s.id = own.rowid WHERE own MATCH 'beta' ORDER BY s.id
CREATE VIRTUAL TABLE none USING fts5(title, body, content='')
INSERT INTO none(rowid, title, body) SELECT id, title, body FROM src
SELECT rowid FROM none WHERE none MATCH 'beta' ORDER BY rowid
CREATE TRIGGER src_i AFTER INSERT ON src BEGIN INSERT INTO none(rowid, title, body) VALUES (new.id, new.title, new.body); INSERT INTO own(rowid, title) VALUES (new.id + 100, new.title); END
INSERT INTO src VALUES (4,'t4','beta beta')
SELECT rowid FROM none WHERE none MATCH 'beta' ORDER BY rowid
SELECT rowid, title FROM own ORDER BY rowid
DELETE FROM own WHERE rowid IN (SELECT max(rowid) FROM own)
SELECT rowid FROM own ORDER BY rowid
UPDATE own SET body = 'zeta' WHERE own MATCH 'omega'
SELECT rowid, body FROM own WHERE own MATCH 'zeta'
CREATE VIRTUAL TABLE r USING rtree(id, a, b)
INSERT INTO r SELECT id, id, id + 1 FROM own, (SELECT rowid AS id FROM own LIMIT 1)  WHERE own.rowid = id
INSERT INTO r VALUES (10, 1, 2), (11, 5, 6) RETURNING id
SELECT id FROM r WHERE a > 1 ORDER BY id
SELECT count(*) FROM own
