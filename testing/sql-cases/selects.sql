CREATE TABLE tab0(col0 INTEGER, col1 INTEGER, col2 INTEGER)
CREATE TABLE tab1(pk INTEGER PRIMARY KEY, col0 INTEGER, col1 FLOAT, col2 TEXT)
CREATE TABLE tab2(k TEXT PRIMARY KEY, v, n NUMERIC) WITHOUT ROWID
INSERT INTO tab0 VALUES(97,1,99),(15,81,47),(87,21,10),(NULL,21,-3),(15,NULL,0)
INSERT INTO tab1 VALUES(0,698,169.42,'apdbu'),(1,538,676.36,'fuqeu'),(2,90,205.26,'bexa'),(3,540,NULL,NULL),(4,15,1e10,'Apdbu')
INSERT INTO tab2 VALUES('a',1,1),('b','1',1.5),('c',NULL,'x'),('d',x'61',15),('e',2.0,97)
SELECT * FROM tab0
SELECT * FROM tab2
SELECT * FROM tab0, tab2
SELECT * FROM tab1 AS x JOIN tab0 AS y ON x.col0 = y.col0
SELECT * FROM tab0 LEFT JOIN tab1 ON tab0.col0 = tab1.col0 AND tab1.pk > 1
SELECT * FROM tab0 NATURAL LEFT JOIN tab1
SELECT * FROM tab1 RIGHT JOIN tab0 USING (col0)
SELECT * FROM tab1 FULL JOIN tab2 ON tab1.col0 = tab2.n
SELECT ALL * FROM tab0 AS cor0 WHERE NOT col0 IS NOT NULL
SELECT DISTINCT - + 5 * col1 FROM tab0
SELECT + 45 + - - 92 AS col2, COUNT(*) FROM tab1 GROUP BY col0
SELECT col1, group_concat(col0), group_concat(col0, '-'), sum(col0 * 0.1) FROM tab0 GROUP BY col1
SELECT max(col0), col1 FROM tab0
SELECT min(col1), max(col1), col2 FROM tab1 GROUP BY col0 > 100
SELECT count(*), count(col0), count(DISTINCT col0), avg(col1), total(col2), sum(col0) FROM tab0
SELECT sum(col1), avg(col1), typeof(sum(col0)), typeof(total(col0)) FROM tab1
SELECT col0 FROM tab0 UNION SELECT col0 FROM tab1
SELECT col0 FROM tab0 UNION ALL SELECT col0 FROM tab1 ORDER BY 1 DESC LIMIT 4 OFFSET 1
SELECT col0 FROM tab0 INTERSECT SELECT col0 FROM tab1
SELECT col0 FROM tab0 EXCEPT SELECT col0 FROM tab1
SELECT * FROM tab0 ORDER BY col1
SELECT * FROM tab0 ORDER BY col0 DESC, col2
SELECT col0 AS c, col1 FROM tab0 ORDER BY c NULLS LAST
SELECT * FROM tab0 ORDER BY 4
SELECT * FROM tab0 ORDER BY col1 LIMIT 2
SELECT * FROM tab0 LIMIT 2
SELECT * FROM tab0 LIMIT -1 OFFSET 3
SELECT * FROM tab0 LIMIT 'x'
SELECT * FROM tab0 WHERE col0 IN (15, 97) AND col1 BETWEEN 0 AND 50
SELECT * FROM tab0 WHERE col0 NOT IN (SELECT col0 FROM tab1)
SELECT * FROM tab0 WHERE (col0, col1) IN (SELECT col0, col1 FROM tab0 WHERE col2 > 0)
SELECT * FROM tab1 WHERE col2 LIKE 'ap%'
SELECT * FROM tab1 WHERE col2 GLOB 'ap*' OR col2 IS NULL
SELECT * FROM tab1 WHERE pk IN tab0
SELECT * FROM tab2 WHERE v = 1
SELECT * FROM tab2 WHERE v = '1'
SELECT k, typeof(v), typeof(n), v < n FROM tab2 ORDER BY v
SELECT (SELECT count(*) FROM tab1 WHERE tab1.col0 > tab0.col0) FROM tab0
SELECT * FROM (SELECT col0, count(*) AS c FROM tab0 GROUP BY col0) WHERE c > 1
WITH a AS (SELECT col0 FROM tab0), b(x) AS (SELECT max(col0) FROM a) SELECT * FROM a, b WHERE a.col0 < b.x
WITH RECURSIVE f(i, a, b) AS (VALUES (1, 0, 1) UNION ALL SELECT i + 1, b, a + b FROM f WHERE i < 10) SELECT i, a FROM f
WITH RECURSIVE up(n) AS (SELECT pk FROM tab1 WHERE pk = 0 UNION SELECT n + 1 FROM up, tab1 WHERE n < 4) SELECT n FROM up
SELECT pk, row_number() OVER (ORDER BY col0), rank() OVER (ORDER BY col0 > 500), sum(col0) OVER (ORDER BY pk ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM tab1
SELECT pk, lag(col2, 1, '-') OVER w, first_value(col0) OVER w, ntile(2) OVER w FROM tab1 WINDOW w AS (ORDER BY pk DESC)
SELECT col1, count(*) OVER (PARTITION BY col1), max(col0) FILTER (WHERE col0 > 20) OVER () FROM tab0
SELECT json_object('a', pk, 'b', col2) FROM tab1
SELECT json_group_array(col0), json_group_object(col1, col2) FROM tab0
SELECT key, value FROM tab1, json_each(json_array(tab1.pk, tab1.col0)) WHERE tab1.pk < 2
SELECT CAST(col1 AS INTEGER), CAST(col2 AS INTEGER), round(col1, 1), col0 / 7, col0 % 7, col0 << 1, ~col0 FROM tab1
SELECT 1/0, 1%0, 5/2, 5/2.0, -5/2, 9223372036854775807 + 1, 'abc' + 1, '5x' * 2
SELECT sum(9223372036854775807) FROM tab0
SELECT abs(-9223372036854775808)
SELECT nosuch(1)
SELECT count(*, 1) FROM tab0
SELECT col0 FROM tab0, tab1
SELECT max(count(*)) FROM tab0
SELECT * FROM tab0 WHERE count(*) > 1
SELECT * FROM tab0 GROUP BY 9
SELECT 1 UNION SELECT 1, 2
SELECT * FROM tab0 AS a, tab0 AS a
SELECT x.* FROM tab0
SELECT tab0.nosuch FROM tab0
SELECT 'it''s', "tab0"."col0", [col1], `col2` FROM tab0
SELECT x'41' || 'b', hex('abc'), quote(NULL), quote(x'01'), char(65, 66), unicode('A')
SELECT date('2024-02-30'), strftime('%Y', '2024-01-01'), julianday('2000-01-01')
SELECT coalesce(NULL, col0), nullif(col0, 15), iif(col0 IS NULL, 'n', 'v'), ifnull(col1, -1) FROM tab0
SELECT CASE col0 WHEN 15 THEN 'fifteen' WHEN 97 THEN 'x' END, CASE WHEN col1 > 50 THEN 1 ELSE 0 END FROM tab0
SELECT col0 IS NOT DISTINCT FROM col1, col0 IS col1, col0 ISNULL, col0 NOTNULL FROM tab0
SELECT rowid, * FROM tab0 WHERE rowid BETWEEN 2 AND 4
SELECT a.rowid, b.pk FROM tab0 a, tab1 b WHERE a.rowid = b.pk
SELECT total(col0) + count(*) FROM tab0 HAVING count(*) > 100
SELECT col1 FROM tab0 GROUP BY col1 HAVING sum(col0) > 50
SELECT DISTINCT col1 FROM tab0
SELECT DISTINCT col0, col1 FROM tab0 ORDER BY col1 DESC
VALUES (1, 'a'), (2, 'b')
SELECT * FROM (VALUES (1, 2), (3, 4)) AS v
SELECT column1 FROM (VALUES (1), (2)) WHERE column1 IN (SELECT pk FROM tab1)
INSERT INTO tab0 SELECT col0, pk, NULL FROM tab1 WHERE col0 > 100 ORDER BY pk DESC
SELECT rowid, * FROM tab0
UPDATE tab0 SET col2 = (SELECT max(pk) FROM tab1 WHERE tab1.col0 >= tab0.col0) WHERE col2 IS NULL
UPDATE tab0 SET col1 = t.pk FROM tab1 AS t WHERE t.col0 = tab0.col0
UPDATE tab0 SET (col0, col1) = (SELECT 1, 2) WHERE rowid = 1 RETURNING rowid, *
UPDATE tab2 SET k = k || 'x' WHERE v IS NOT NULL RETURNING k
DELETE FROM tab0 WHERE col0 = (SELECT min(col0) FROM tab0) RETURNING *
DELETE FROM tab2 WHERE EXISTS (SELECT 1 FROM tab0 WHERE tab0.col0 = tab2.n)
SELECT rowid, * FROM tab0
SELECT * FROM tab2
CREATE INDEX idx0 ON tab0(col0)
CREATE INDEX idx1 ON tab1(col1 DESC, col0)
SELECT * FROM tab0 WHERE col0 > 10
SELECT * FROM tab0 WHERE col0 = 15 OR col1 = 21
SELECT pk FROM tab1 WHERE col1 > 100 AND col0 < 700
SELECT col0 FROM tab0 INDEXED BY idx0 WHERE col0 > 0
SELECT col0 FROM tab0 NOT INDEXED WHERE col0 > 0
SELECT col0 FROM tab0 INDEXED BY nosuch
CREATE VIEW view0 AS SELECT pk, col0 * col0 AS sq FROM tab1 WHERE col0 < 600
SELECT * FROM view0
SELECT v.sq FROM view0 v JOIN tab0 t ON v.pk = t.col1
CREATE VIEW view1(a, b) AS SELECT col1, count(*) FROM tab0 GROUP BY 1
SELECT * FROM view1
INSERT INTO view0 VALUES (1, 2)
DROP VIEW view0
DROP TABLE view1
DROP VIEW tab0
DELETE FROM tab0
SELECT count(*), sum(col0), max(col0), avg(col0), group_concat(col0) FROM tab0
CREATE TABLE us1(k, v)
CREATE TABLE us2(k, w)
INSERT INTO us1 VALUES (1, 'a'), (2, 'b'), (3, 'c')
INSERT INTO us2 VALUES (2, 'x'), (3, 'y'), (4, 'z')
SELECT v FROM us1 JOIN us2 USING (k)
SELECT v FROM us1 LEFT JOIN us2 USING (k)
SELECT count(*) FROM us1 NATURAL JOIN us2
SELECT k FROM us1 FULL JOIN us2 USING (k)
CREATE VIEW usv AS SELECT v FROM us1 JOIN us2 USING (k)
CREATE VIEW usw AS SELECT * FROM usv
SELECT * FROM usw
DELETE FROM us1 WHERE v IN (SELECT v FROM us1 NATURAL JOIN us2 WHERE v > 'b')
SELECT * FROM us1
CREATE TRIGGER ust AFTER DELETE ON us1 BEGIN INSERT INTO us1 SELECT k + 10, v || 'n' FROM us1 JOIN us2 USING (k); END
DELETE FROM us1 WHERE k = 1
SELECT * FROM us1
CREATE TABLE page1(id INTEGER PRIMARY KEY, a, name TEXT)
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40) INSERT INTO page1 SELECT i, 100 - i, CASE i % 2 WHEN 0 THEN 'a' ELSE 'B' END || i FROM n
SELECT a AS id, id AS x FROM page1 ORDER BY x LIMIT 3
SELECT a AS id, id AS x FROM page1 ORDER BY x DESC LIMIT 3
SELECT -id AS a, a AS b FROM page1 ORDER BY b DESC LIMIT 3
SELECT name FROM page1 ORDER BY name COLLATE NOCASE LIMIT 5
SELECT * FROM page1 ORDER BY name COLLATE NOCASE DESC LIMIT 2 OFFSET 1
SELECT * FROM page1 ORDER BY id DESC LIMIT 4 OFFSET 2
SELECT * FROM page1 ORDER BY a % 3, name LIMIT -1 OFFSET 30
CREATE INDEX page1a ON page1(a)
SELECT a FROM page1 LIMIT 3
SELECT * FROM page1 WHERE a > 80 LIMIT 3
SELECT * FROM page1 LIMIT 3
