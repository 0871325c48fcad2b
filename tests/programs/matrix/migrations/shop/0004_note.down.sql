create table notes (id bigint primary key, note text not null);
