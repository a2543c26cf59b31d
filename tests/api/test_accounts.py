from souche.api.accounts import read_accounts
from souche.app.context.region import Region
from souche.model.accounts import Principal
from tests.support.region import call


def test_a_caller_reads_its_own_account_only(region: Region, alice: Principal, bob: Principal) -> None:
    answer = read_accounts(call(region, bob))
    assert answer == {
        "Accounts": [
            {
                "AccountId": bob.account_id,
                "AdditionalEmails": [],
                "City": "",
                "CompanyName": "bob",
                "Country": "",
                "CustomerId": bob.account_id[4:],
                "Email": "",
                "FirstName": "",
                "LastName": "",
                "ZipCode": "",
            }
        ]
    }
