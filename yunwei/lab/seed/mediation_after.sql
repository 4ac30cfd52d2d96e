-- Keys, indexes, code and grants of the people's mediation system, made after the rows.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
SET maintenance_work_mem = '128MB';
SET synchronous_commit = off;
SET ROLE mediation_owner;

ALTER TABLE mediation.case_record ADD PRIMARY KEY (id, filed_at);
ALTER TABLE mediation.case_record ADD FOREIGN KEY (community) REFERENCES mediation.community;
ALTER TABLE mediation.case_record ADD FOREIGN KEY (mediator) REFERENCES mediation.mediator;
ALTER TABLE mediation.attachment ADD CONSTRAINT attachment_case
    FOREIGN KEY (case_id, case_filed_at) REFERENCES mediation.case_record ON DELETE CASCADE;
CREATE INDEX case_record_title ON mediation.case_record USING gin (title gin_trgm_ops) WHERE outcome = 'it''s withdrawn';
CREATE INDEX case_record_filed ON mediation.case_record USING brin (filed_at);
CREATE INDEX case_record_no ON mediation.case_record (case_no text_pattern_ops) INCLUDE (amount);
CREATE INDEX mediator_tags ON mediation.mediator USING gin (tags);
CREATE INDEX mediator_profile ON mediation.mediator USING gin (profile jsonb_path_ops);
CREATE INDEX "Mediator Name Lower" ON mediation.mediator (lower(name), (level + 1) DESC NULLS LAST);
CREATE INDEX hotline_caller ON grassroots.hotline USING hash (caller);
CREATE INDEX visit_open ON grassroots.visit (happened) WHERE note IS NULL;
CREATE INDEX community_position ON mediation.community USING gist (position);
CREATE UNIQUE INDEX community_short_name ON mediation.community (short_name) WHERE parent IS NULL;
CREATE STATISTICS mediation.case_dependencies (dependencies) ON community, mediator FROM mediation.case_record;

CREATE VIEW mediation.open_case WITH (security_barrier) AS
    SELECT id, case_no, title, amount FROM mediation.case_record WHERE closed_at IS NULL;
CREATE VIEW "Archive 2025"."Old ""View""" AS
    SELECT "Select" AS "选择", "中文 列" FROM "Archive 2025"."Case ""Old"" 卷宗" WHERE "Select" < 100;
CREATE MATERIALIZED VIEW mediation.outcome_count AS
    SELECT outcome, count(*) AS cases, sum(amount) AS amount FROM mediation.case_record GROUP BY outcome;
CREATE UNIQUE INDEX ON mediation.outcome_count (outcome);
CREATE MATERIALIZED VIEW mediation.not_filled AS SELECT 1 AS one WITH NO DATA;

CREATE FUNCTION audit.log_change() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, audit
    AS $body$
BEGIN
    INSERT INTO audit.change_log (relation, operation, old_row, new_row)
    VALUES (TG_RELID, TG_OP, to_jsonb(OLD), to_jsonb(NEW));
    RETURN NULL;
END;
$body$;
CREATE TRIGGER "log Change" AFTER UPDATE OR DELETE ON mediation.mediator
    FOR EACH ROW EXECUTE FUNCTION audit.log_change();
UPDATE mediation.mediator SET level = 5 WHERE id % 30 = 0;

CREATE FUNCTION mediation.case_total(wanted mediation.outcome DEFAULT '成功') RETURNS numeric
    LANGUAGE sql STABLE AS $$ SELECT sum(amount) FROM mediation.case_record WHERE outcome = wanted $$;
CREATE PROCEDURE mediation.close_case(number bigint) LANGUAGE plpgsql AS $$
BEGIN
    UPDATE mediation.case_record SET closed_at = now() WHERE id = number;
END $$;
CREATE AGGREGATE mediation.join_text(text) (SFUNC = textcat, STYPE = text, INITCOND = '');
-- One turn of the light writing load: new rows, changed rows, sequences moving.
CREATE FUNCTION mediation.work(turn bigint) RETURNS void LANGUAGE sql AS $$
    INSERT INTO mediation.heartbeat (at, note) VALUES (clock_timestamp(), '负载 ' || turn);
    UPDATE mediation.counter SET value = value + 1, changed = clock_timestamp() WHERE name = 'counter ' || 1 + turn % 20;
    INSERT INTO mediation.case_record (case_no, community, title, outcome, filed_at)
    VALUES ('负载' || turn, 505, '写入负载', '申请', clock_timestamp());
    UPDATE mediation.mediator SET phone = '010-' || turn WHERE id = 7001 + turn % 3000;
    DELETE FROM mediation.heartbeat WHERE id = (SELECT min(id) FROM mediation.heartbeat) AND turn % 5 = 0;
$$;
CREATE RULE keep_counters AS ON DELETE TO mediation.counter DO INSTEAD NOTHING;

COMMENT ON TABLE mediation.case_record IS '案件；分区按受理时间';
COMMENT ON COLUMN "Archive 2025"."Case ""Old"" 卷宗"."it's" IS 'a comment with ''quotes''';
GRANT USAGE ON SCHEMA mediation, grassroots TO mediation_app, "Report Reader";
GRANT SELECT ON ALL TABLES IN SCHEMA mediation TO mediation_app;
GRANT INSERT, UPDATE (note) ON mediation.heartbeat TO mediation_app;
GRANT USAGE ON SEQUENCE mediation.heartbeat_id_seq TO mediation_app;
GRANT SELECT ON grassroots.visit TO "Report Reader" WITH GRANT OPTION;
GRANT SELECT (id, name) ON mediation.mediator TO "司法审计";
REVOKE EXECUTE ON FUNCTION mediation.case_total FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mediation.case_total TO mediation_app;
ALTER DEFAULT PRIVILEGES FOR ROLE mediation_owner IN SCHEMA grassroots GRANT SELECT ON TABLES TO "Report Reader";
RESET ROLE;

-- Large objects: an empty one, small ones, and some of a megabyte and more; fixed numbers, an owner, grants.
SELECT lo_from_bytea((70000 + i)::oid, CASE WHEN i = 0 THEN ''::bytea ELSE mediation.noise(i, CASE WHEN i % 10 = 0 THEN 1300000 ELSE i * 1200 END) END)
FROM generate_series(0, 60) AS i;
INSERT INTO mediation.scan SELECT i, (70000 + i)::oid, i % 9 FROM generate_series(0, 60) AS i;
SELECT format('ALTER LARGE OBJECT %s OWNER TO mediation_owner', 70000 + i) FROM generate_series(0, 60, 2) AS i
\gexec
GRANT SELECT ON LARGE OBJECT 70003 TO mediation_app;
COMMENT ON LARGE OBJECT 70004 IS '扫描件';

ALTER DATABASE mediation SET timezone = 'Asia/Shanghai';
ALTER ROLE mediation_clerk IN DATABASE mediation SET search_path = grassroots, public;
GRANT TEMPORARY ON DATABASE mediation TO "Report Reader";
