module souche.invalid/client

go 1.21
