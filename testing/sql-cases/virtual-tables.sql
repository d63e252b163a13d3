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
