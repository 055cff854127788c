"""The page of an order."""

import pytest
from django.urls import reverse

from certificates.models import Order
from tests.certificates.renewal.rows import authority, enrolled, ordered


@pytest.mark.django_db
def test_the_page_of_an_order_without_names_is_there(admin_client, keyspace):
    order = ordered(enrolled(), authority())
    Order.objects.update(names=[])
    assert admin_client.get(reverse("admin:certificates_order_change", args=[order.pk])).status_code == 200
