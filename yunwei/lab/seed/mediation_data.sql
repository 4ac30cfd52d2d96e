-- Rows of the people's mediation system: the same on every run, of real size at 100 percent, hard to compress.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
SET synchronous_commit = off;
SET work_mem = '64MB';
SET timezone = 'Asia/Shanghai';
SET intervalstyle = 'postgres';
SET ROLE mediation_owner;

INSERT INTO mediation.community (code, name, short_name, parent, position, area)
SELECT '110105' || lpad(i::text, 3, '0'),
       mediation.pick('{东城,西城,朝阳,海淀,丰台,石景山,密云,怀柔}', i) || '第' || i || '社区',
       CASE WHEN i % 3 = 0 THEN 'Community ' || i WHEN i % 3 = 1 THEN 'COMMUNITY ' || i END,
       CASE WHEN i > 10 THEN 500 + 5 * (i % 10) END,
       point(116 + i / 1000.0, 39 + i / 1000.0),
       CASE i % 4 WHEN 0 THEN 1.0 WHEN 1 THEN 1.00 WHEN 2 THEN i / 7.0 END
FROM generate_series(1, 200) AS i;

INSERT INTO mediation.mediator
    (name, phone, level, certified_on, active, tags, ratings, profile, notes, community)
SELECT mediation.pick('{张,王,李,赵,刘,陈,欧阳}', i) || mediation.pick('{伟,芳,娜,秀英,敏,静,强,磊}', i / 7),
       CASE WHEN i % 5 > 0 THEN '010-' || (60000000 + i * 37) END,
       1 + i % 5,
       date '2001-01-01' + i * 3 % 8000,
       i % 11 > 0,
       CASE WHEN i % 4 > 0 THEN ARRAY['邻里', 'tag "' || i || '"', NULL, '逗,号'] END,
       ARRAY[[1.0, 2.50], [3.25, NULL]],
       jsonb_build_object('编号', i, 'skills', jsonb_build_array('倾听', i % 9), 'nothing', NULL),
       format('{"b": %s,  "a": 1.00, "a": 1.0}', i)::json,
       500 + 5 * (i % 200)
FROM generate_series(1, 3000) AS i;

-- Rows for the partitions of 2023 to 2025, and a few from the future.
INSERT INTO mediation.case_record
    (case_no, community, mediator, title, summary, outcome, amount, risk, weight, filed_at, closed_at, duration,
     parties, attributes, raw, seal)
SELECT '(' || (2023 + i % 3) || ')京调' || i,
       500 + 5 * (i % 200),
       CASE WHEN i % 9 > 0 THEN 7001 + i % 3000 END,
       mediation.pick('{邻里噪音纠纷,房屋漏水赔偿,劳动报酬争议,婚姻家庭矛盾,土地承包界线,物业费用,医疗损害,合伙债务}', i * 7)
           || '——' || mediation.pick('{第一次申请,再次申请,转办,信访移送}', i / 3),
       CASE WHEN i % 10 > 0 THEN '双方当事人于' || (i % 28 + 1) || '日到场，' ||
           mediation.pick('{分歧较大，,态度缓和，,要求书面答复，,"表示\\愿意''和解''，",申请延期，}', i)
           || '记录编号' || encode(sha256(int8send(i)), 'base64') || E'\n第二行\t完' END,
       (enum_range(NULL::mediation.outcome))[1 + i % 5],
       CASE i % 6 WHEN 0 THEN NULL WHEN 1 THEN 1.0 WHEN 2 THEN 1.00 ELSE (i * 131 % 99999989) / 100.0 END,
       CASE WHEN i % 5000 = 0 THEN 'NaN' WHEN i % 5000 = 1 THEN '-Infinity' WHEN i % 5000 = 2 THEN '-0'
            ELSE i / 3.0 END::double precision,
       (i % 1000) / 7.0,
       timestamptz '2023-01-01 00:00+08' + make_interval(mins => (i * 7919 % 1609920)::int, secs => i % 60 + 0.123456),
       CASE WHEN i % 3 > 0 THEN timestamptz '2026-01-01 00:00+08' + make_interval(mins => (i % 100000)::int) END,
       CASE WHEN i % 3 > 0 THEN make_interval(months => (i % 7)::int, days => (i % 40)::int) END,
       ARRAY['甲方' || i % 1013, '乙方 "' || i % 997 || '"'],
       jsonb_build_object('来源', mediation.pick('{窗口,热线,网络}', i), 'no', i, 'sha', encode(sha224(int8send(i)), 'hex')),
       CASE WHEN i % 4 = 0 THEN format('{"n":%s.0, "n":%s.00}', i, i)::json END,
       CASE WHEN i % 2 = 0 THEN sha512(int8send(-i)) END
FROM generate_series(1::bigint, 130000 * :percent / 100) AS i;

INSERT INTO mediation.attachment (case_id, case_filed_at, file_name, content)
SELECT id, filed_at, '附件 ' || case_no || '.pdf',
       CASE WHEN (id / 3) % 500 = 0 THEN NULL WHEN (id / 3) % 500 = 1 THEN ''::bytea
            ELSE mediation.noise(id, 3000 + (id % 23000)::int) END
FROM mediation.case_record
WHERE id % 10 = 0
ORDER BY id;
SELECT setval('mediation.attachment_id_seq', 400000);

INSERT INTO grassroots.visit (office, happened, note, visitor, answer, proof)
SELECT '第' || i % 50 || '司法所', date '2024-01-01' + (i % 900)::int, CASE WHEN i % 7 > 0 THEN '来访登记' || i END,
       mediation.pick('{张三,李四,王五,赵六,"O''Neil","Müller","ﷺ","𠮷田"}', i),
       mediation.pick('{已当场答复,转相关部门办理,告知诉讼途径,预约下次调解,不予受理并说明理由}', i * 3),
       encode(sha512(int8send(i)), 'base64')
FROM generate_series(1::bigint, 320000 * :percent / 100) AS i;
INSERT INTO grassroots.hotline (office, happened, note, caller, seconds)
SELECT '热线', date '2025-01-01' + (i % 300)::int, NULL, '1' || 3000000000 + i * 7, (i % 3600)::int
FROM generate_series(1::bigint, 20000) AS i;
INSERT INTO grassroots.event (office, happened, note)
SELECT '直属', date '2025-06-01', '父表自己的行 ' || i FROM generate_series(1, 500) AS i;

INSERT INTO grassroots.duty
SELECT '值班员' || i % 10, tstzrange(t, t + interval '8 hours')
FROM generate_series(1, 1000) AS i, LATERAL (SELECT timestamptz '2025-01-01 00:00+08' + i * interval '8 hours') AS _(t);
INSERT INTO grassroots.no_key SELECT i % 5, CASE WHEN i % 2 = 0 THEN '无主键' END, '{"k": 1}' FROM generate_series(1, 2000) AS i;
INSERT INTO grassroots.no_key SELECT NULL, NULL, NULL FROM generate_series(1, 10);
INSERT INTO grassroots.duplicates SELECT '同一行', 2.50 FROM generate_series(1, 1000);
INSERT INTO grassroots.r SELECT 'r' || i, i, xmlparse(CONTENT '<条目 n="' || i || '"/>') FROM generate_series(1, 300) AS i;
INSERT INTO grassroots.equal_but_different VALUES
    (1, 1.0, 'Word', 'pad', 0.1, 'Straße'), (2, 1.00, 'WORD', 'pad ', 0.1 + 1e-17, 'STRASSE'),
    (3, 1, 'word', 'pad  ', -0.0, 'straße'), (4, 'NaN', '', '', 'NaN', ''), (5, NULL, NULL, NULL, NULL, NULL),
    (6, 100000000000000000000.000000000000000000010, '中文', '中文', 1e308, 'résumé');

INSERT INTO mediation.session_cache
SELECT md5(i::text)::uuid, ('198.51.100.' || i % 250)::inet, jsonb_build_object('i', i),
       timestamp '2025-05-05 05:05:05.005' + i * interval '1 second'
FROM generate_series(1, 5000) AS i;
INSERT INTO mediation.counter SELECT 'counter ' || i, i, NULL FROM generate_series(1, 20) AS i;
INSERT INTO mediation.heartbeat (at, note)
SELECT timestamptz '2025-01-01 00:00+08' + i * interval '1 minute', '心跳' FROM generate_series(1, 1000) AS i;
SELECT setval('mediation.heartbeat_id_seq', 5000);
SELECT nextval('mediation.countdown') FROM generate_series(1, 17);
SELECT nextval('mediation.empty_queue_id_seq');

INSERT INTO audit.type_zoo
SELECT i, md5(i::text)::uuid, ('203.0.113.0/' || 24 + i % 8)::inet, '08:00:2b:01:02:03',
       (i % 1024)::bit(10)::bit varying, (i / 3.0)::numeric::money, '12:34:56.789+08', int4range(i, i + 5),
       nummultirange(numrange(i, i + 1), numrange(i + 2, i + 3)), 'fat & rat'::tsquery, to_tsvector('simple', 'a fat ' || i),
       xmlparse(CONTENT '<a>&amp;' || i || '</a>'), '[(0,0),(1,1)]', ROW('甲', 'Role, "x"', '1990-01-01')::mediation.party,
       ARRAY[ROW('乙', NULL, NULL)::mediation.party], ARRAY['成功', NULL]::mediation.outcome[], chr(65 + i % 26)::"char",
       make_interval(months => i % 13, days => i % 31, secs => i / 7.0)
FROM generate_series(1, 2000) AS i;
INSERT INTO audit.private_note SELECT i, 'mediation_clerk', '仅本人可见 ' || i FROM generate_series(1, 50) AS i;

INSERT INTO "Archive 2025"."Case ""Old"" 卷宗"
SELECT i, 'quote " ' || i, '卷宗' || i, 'it''s', '100%\' || i, timestamptz '1999-12-31 23:59:59.999999+08' + i * interval '1 day'
FROM generate_series(1, 20000) AS i;
