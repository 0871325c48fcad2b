create table orders (id bigint generated always as identity primary key, item text not null);
create table notes (id bigint primary key, note text not null);
create view old_orders as select id, item from orders;
