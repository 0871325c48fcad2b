-- phase: expand
-- way: reversible
--
-- Broken on purpose: its second statement fails as soon as there is one user, who has no country. An empty database lets it pass.

create table countries (code char(2) primary key, name text not null);

insert into countries values ('CH', 'Switzerland'), ('IN', 'India'), ('US', 'United States');

-- A nullable column, a backfill, and NOT NULL in a later release would be right.
alter table users add column country char(2) not null references countries;
