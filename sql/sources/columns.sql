-- The columns of a relation of a PostgreSQL database and their types, a domain's being what it is made of.
select
    a.attname as name,
    (case when t.typtype = 'd' then t.typbasetype else t.oid end)::regtype::text as type
from pg_catalog.pg_attribute as a
join pg_catalog.pg_type as t on t.oid = a.atttypid
where a.attrelid = to_regclass($relation) and a.attnum > 0 and not a.attisdropped
order by a.attnum
