-- Of the day's texts of a role at most the share `most` has one and the same vector, where there are `least_texts` or more.
-- To do: The model gives one answer to everything: see that it is the one that you mean, that its weights are loaded and its
-- prompt leaves room for the text (resources: encoder: config). Then delete the model's rows and make the day of text_vectors
-- anew.
-- parameters: most=0.5 in [0, 1], least_texts=10 in [2, inf]
-- warns; reads sampled_inputs, items, text_vectors; through vectors_of_the_day
with hashes as (select distinct role, text_hash, hash from vectors_of_the_day where hash is not null),
counts as (
    select role, hash, count(*) as alike, sum(count(*)) over (partition by role)::bigint as texts
    from hashes
    group by role, hash
)
select role, alike as texts_with_one_vector, texts
from counts
where texts >= $least_texts
  and alike > $most * texts
order by role
