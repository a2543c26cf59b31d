"""What Souche's authors did not write, against a served region: clients, their tests, the published examples."""
