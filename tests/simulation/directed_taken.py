"""Directed histories of documents that carry a deal's key and are somebody else's."""

from __future__ import annotations

from scenes import Scene, history


@history()
async def h106_copied_then_the_original_deleted(s: Scene) -> None:
    """Between two reads: the copy takes its place, and a person is told until it was looked at."""
    deal, draft = await s.linked()
    copy = s.world.in_book("copy_draft", draft=draft)["id"]
    s.world.in_book("delete_draft", draft=draft)
    await s.world.wait(130)
    await s.settle()
    await s.world.wait(130)
    await s.settle()
    assert s.world.current() == [s.ref(copy)]
    assert s.world.exceptions(deal) == ["found_after_deletion"]


@history(tells_origin=False)
async def h107_a_copy_for_another_customer_is_booked(s: Scene) -> None:
    """A draft was the template of another customer's invoice, then deleted: that is not ours."""
    deal, draft = await s.linked()
    other = s.world.in_book("create_customer", name="Another AB")["id"]
    copy = s.world.in_book("copy_draft", draft=draft)["id"]
    s.world.in_book("edit_draft", draft=copy, customer=other, price="300.00")
    s.world.in_book("book", draft=copy)
    s.world.in_book("delete_draft", draft=draft)
    await s.world.wait(130)
    await s.settle()
    await s.world.wait(130)
    await s.settle()
    assert sorted(s.world.exceptions(deal)) == ["draft_deleted", "two_carriers"]
    assert s.world.current() == [s.ref(draft)]
    invoice = next(row["id"] for row in s.world.live())
    await s.answer(deal, "two_carriers", not_ours=(s.ref(invoice),))
    await s.answer(deal, "draft_deleted", make_new=True)
    s.world.on_step = None
    await s.world.wait(130)
    await s.settle()
    assert sorted(row["net"] for row in s.world.live()) == [300, 1000]
    s.none_open()


@history(tells_origin=False)
async def h108_an_invoice_for_another_customer_and_the_draft_stays(s: Scene) -> None:
    """The same, the draft stays: it is a copy, and shown."""
    deal, draft = await s.linked()
    other = s.world.in_book("create_customer", name="Another AB")["id"]
    copy = s.world.in_book("copy_draft", draft=draft)["id"]
    s.world.in_book("edit_draft", draft=copy, customer=other, price="300.00")
    s.world.in_book("book", draft=copy)
    await s.world.wait(130)
    await s.settle()
    assert s.world.exceptions(deal) == ["two_carriers"]
    assert s.world.current() == [s.ref(draft)]
