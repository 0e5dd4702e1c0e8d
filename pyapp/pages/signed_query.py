"""The page `signed-query.html`: the room through the strategy `signed_query`."""

from demo.room_page import RoomPage

RoomPage("signed_query").open()
