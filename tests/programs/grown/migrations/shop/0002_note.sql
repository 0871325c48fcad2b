create table note (id integer primary key, said text not null);
