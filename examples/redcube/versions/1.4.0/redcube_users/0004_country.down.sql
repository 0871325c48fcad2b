alter table users drop column country;
drop table countries;
