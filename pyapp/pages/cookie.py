"""The page `cookie.html`: the room through the strategy `cookie`."""

from demo.room_page import RoomPage

RoomPage("cookie").open()
