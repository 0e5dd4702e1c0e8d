"""The page `delegated.html`: the room through the strategy `delegated`."""

from demo.room_page import RoomPage

RoomPage("delegated").open()
