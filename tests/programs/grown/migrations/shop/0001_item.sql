create table item (id integer primary key, name text not null);
insert into item values (1, 'boat');
