"""The page `redirect.html`: the room through the strategy `redirect`."""

from demo.room_page import RoomPage

RoomPage("redirect").open()
