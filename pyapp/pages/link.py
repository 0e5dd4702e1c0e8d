"""The page `link.html`: the room through the strategy `link`."""

from demo.room_page import RoomPage

RoomPage("link").open()
