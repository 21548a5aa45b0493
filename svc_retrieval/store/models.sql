-- register_model --
-- Makes the model known and builds its index, the first time.
select knowledge.register_embedding_model($1, $2)

-- describe_model --
-- How other processes find the model.
update knowledge.embedding_models set spec = $2
where name = $1 and spec <> $2

-- adopt_model --
-- Knowledge bases that nobody has embedded yet use this model from now on.
update knowledge.knowledge_bases set embedding_model = $1
where embedding_model = ''

-- model_in_force --
-- The model that a knowledge base is searched with.
select base.embedding_model as name, coalesce(model.spec, '') as spec
from knowledge.knowledge_bases base
left join knowledge.embedding_models model on model.name = base.embedding_model
where base.name = $1

-- models_wanted --
-- The models that are in force or to come, anywhere.
select wanted.name, model.spec, model.dimension
from (
    select embedding_model as name from knowledge.knowledge_bases where embedding_model <> ''
    union
    select embedding_model from knowledge.reindexes where state in ('running', 'ready')
) as wanted
join knowledge.embedding_models model using (name)
order by wanted.name

-- say_served --
-- What a replica says of its models, for $5 seconds; it says nothing any more of others.
-- $1 replica, $2 models, $3 ready, $4 errors, $5 seconds.
with said as (
    insert into knowledge.model_servers as s (replica_id, embedding_model, ready, error, alive_until)
    select $1, model, ready, error, clock_timestamp() + make_interval(secs => $5)
    from unnest($2::text[], $3::boolean[], $4::text[]) as u (model, ready, error)
    on conflict on constraint model_servers_pkey
        do update set ready = excluded.ready, error = excluded.error, alive_until = excluded.alive_until
)
delete from knowledge.model_servers
where (replica_id = $1 and embedding_model <> all ($2::text[])) or alive_until < clock_timestamp() - interval '1 hour'

-- leave --
-- A replica that stops says nothing any more.
delete from knowledge.model_servers where replica_id = $1

-- servers_of --
-- Every replica that is alive, and what it says of a model.
select alive.replica_id, coalesce(s.ready, false) as ready, coalesce(s.error, '') as error
from (select distinct replica_id from knowledge.model_servers where alive_until > clock_timestamp()) as alive
left join knowledge.model_servers s on s.replica_id = alive.replica_id and s.embedding_model = $1
order by alive.replica_id
