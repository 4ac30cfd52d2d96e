-- Roles of the lab's cluster: login and group roles, memberships, settings, names that need quotes. No passwords.
\set ON_ERROR_STOP on
SET client_min_messages = warning;

SELECT format('CREATE ROLE %I', name)
FROM unnest(ARRAY['mediation_owner', 'mediation_app', 'mediation_clerk', 'Report Reader', '司法审计',
                  'legal_owner', 'legal_web']) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)
\gexec

ALTER ROLE mediation_owner NOLOGIN;
ALTER ROLE mediation_app LOGIN CONNECTION LIMIT 40;
ALTER ROLE mediation_app SET statement_timeout = '30s';
ALTER ROLE mediation_clerk LOGIN NOINHERIT VALID UNTIL '2030-01-01 00:00:00+08';
ALTER ROLE "Report Reader" NOLOGIN;
ALTER ROLE "司法审计" LOGIN CREATEROLE;
ALTER ROLE legal_owner NOLOGIN CREATEDB;
ALTER ROLE legal_web LOGIN;
GRANT "Report Reader" TO mediation_clerk;
GRANT "Report Reader" TO "司法审计" WITH ADMIN OPTION;
GRANT mediation_owner TO "司法审计";
COMMENT ON ROLE mediation_app IS '调解业务应用，只读为主';
